# usmd - one non-recursive Makefile.  `make help` lists the targets.
# Output never lands in the source tree but in $(B); a sanitizer build has its own.

VERSION   := 0.1.0
PREFIX    ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DESTDIR   ?=
CC        ?= gcc
B         ?= build
SAN       ?=
V         ?= 0

# --- flags ----------------------------------------------------------------
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wimplicit-fallthrough -Werror
# what this compiler and its machine know of OPTION, without a warning
cc_knows = $(shell printf '\043include <stdio.h>\n' | $(CC) -Werror -O2 $(1) -x c -c -o /dev/null - 2>/dev/null && echo '$(1)')
# fortified calls are with the compiler's own idea of a level undone, which is a warning else; 3 where it is known (gcc 12), and never under a sanitizer
FORTIFY_2 := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
FORTIFY_3 := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
FORTIFY := $(if $(SAN),,$(or $(call cc_knows,$(FORTIFY_3)),$(FORTIFY_2)))
# jumps and returns only to where the program means to: the one is for x86, the other for ARM
HARD := -fstack-protector-strong -fPIE $(call cc_knows,-fstack-clash-protection) $(call cc_knows,-fcf-protection=full) \
        $(call cc_knows,-mbranch-protection=standard)
OPT  ?= -O2
CFLAGS_ALL = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE $(WARN) $(OPT) -g $(HARD) \
             $(SAN) -Iinclude -Isrc -DUSMD_VERSION='"$(VERSION)"' -pthread $(MODULE_CFLAGS) $(EXTRA_CFLAGS) $(CFLAGS) $(FORTIFY)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now -pthread $(SAN) $(EXTRA_LDFLAGS) $(LDFLAGS)

# --- modules, each one archive; libraries that only this module may use ----
MODULES := util model conf sync store cache backend hub push engine service protocol httpd pim client daemon
PKG_util     := libcrypto
PKG_model    := jansson
PKG_store    := libpq
PKG_cache    := hiredis
PKG_backend  := libcurl jansson libical
PKG_push     := jansson
PKG_engine   := jansson
PKG_service  := jansson
PKG_protocol := jansson
PKG_httpd    := libmicrohttpd
PKG_pim      := libical gmime-3.0 jansson
PKG_client   := libcurl jansson sqlite3
PKG_daemon   := libsystemd
PKG_oxsim    := libmicrohttpd jansson gmime-3.0 libical libcurl
PKG_bench    := libmicrohttpd jansson libpq libcurl hiredis
PKG_tests    := check jansson libpq libcurl hiredis libssl libcrypto
# link order: dependants first (also the allowed arrows, see tests/lint/layers.txt)
DEPS_util     :=
DEPS_model    := util
DEPS_conf     := util
DEPS_sync     := model util
DEPS_store    := sync model util
DEPS_cache    := model util
DEPS_backend  := model util
DEPS_hub      := util
DEPS_push     := model util
DEPS_pim      := model util
DEPS_engine   := store cache backend hub sync model util
DEPS_service  := engine store cache backend hub sync model util
DEPS_protocol := service engine store cache backend hub sync model util
DEPS_httpd    := hub util
DEPS_client   := pim model util
DEPS_daemon   := httpd protocol service engine store cache backend hub push conf sync model util

pkgc = $(if $(strip $(1)),$(shell pkg-config --cflags $(1) 2>/dev/null))
pkgl = $(if $(strip $(1)),$(shell pkg-config --libs $(1) 2>/dev/null))
libs_of = $(foreach m,$(1),$(PKG_$(m)))

src_of  = $(sort $(wildcard src/$(1)/*.c src/$(1)/*/*.c))
# files that hold a main(): programs, not part of their module's archive
MAINS   := src/daemon/usmd.c src/daemon/usmctl.c src/client/usmsync.c
obj_of  = $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(MAINS),$(call src_of,$(1))))
lib     = $(B)/lib/lib$(1).a

Q := $(if $(filter 1,$(V)),,@)

.PHONY: all help
all: $(B)/usmd $(B)/usmctl $(B)/usmsync $(B)/oxsim ## build every program

help: ## print this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | sort | while IFS='	' read -r t d; do printf '  %-12s %s\n' "$$t" "$$d"; done

# --- objects, archives ------------------------------------------------------
define module_rules
$(B)/obj/src/$(1)/%.o: src/$(1)/%.c Makefile
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(call pkgc,$(PKG_$(1))) -MMD -MP -c -o $$@ $$<
$(call lib,$(1)): $(call obj_of,$(1)) Makefile
	@mkdir -p $$(@D); rm -f $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach m,$(MODULES),$(eval $(call module_rules,$(m))))

# where the programs look unless told otherwise
DAEMON_PATHS = -DUSMD_CONFFILE='"$(SYSCONFDIR)/usmd/usmd.conf"' -DUSMD_SQLDIR='"$(PREFIX)/share/usmd/sql"'
$(B)/obj/src/daemon/%.o: MODULE_CFLAGS = $(DAEMON_PATHS)
$(patsubst %.c,$(B)/obj/%.o,$(call src_of,daemon)): $(B)/paths
# written only when they differ from those of the last build
.PHONY: FORCE
$(B)/paths: FORCE
	@mkdir -p $(@D); echo '$(PREFIX) $(SYSCONFDIR)' | cmp -s - $@ || echo '$(PREFIX) $(SYSCONFDIR)' >$@

# program: object with main, its modules in link order
define program_rules
$(B)/$(1): $(B)/obj/$(2:.c=.o) $(foreach m,$(3),$(call lib,$(m)))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(call pkgl,$(call libs_of,$(3))) -lm
	@echo "  built $$@"
endef
$(eval $(call program_rules,usmd,src/daemon/usmd.c,daemon $(DEPS_daemon)))
$(eval $(call program_rules,usmctl,src/daemon/usmctl.c,daemon $(DEPS_daemon)))
$(eval $(call program_rules,usmsync,src/client/usmsync.c,client $(DEPS_client)))

OXSIM_SRC := $(sort $(wildcard tests/oxsim/*.c))
OXSIM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(OXSIM_SRC))
$(B)/obj/tests/oxsim/%.o: tests/oxsim/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(call pkgc,$(PKG_oxsim)) -MMD -MP -c -o $@ $<
$(B)/oxsim: $(OXSIM_OBJ) $(call lib,pim) $(call lib,model) $(call lib,util)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,$(PKG_oxsim) $(call libs_of,pim model util)) -lm
	@echo "  built $@"

# --- the demo: its comparison reads files with the client's own converters ---
COMPARE_OBJ := $(addprefix $(B)/obj/src/client/,convert.o file.o)
$(B)/obj/tests/demo/%.o: tests/demo/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(call pkgc,$(PKG_client) $(call libs_of,backend pim model util)) -MMD -MP -c -o $@ $<
$(B)/compare: $(B)/obj/tests/demo/compare.o $(COMPARE_OBJ) $(foreach m,backend pim model util,$(call lib,$(m)))
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,$(call libs_of,backend pim model util)) -lm
	@echo "  built $@"
.PHONY: demo demo-run
demo: ## the main job before your eyes: a server, two devices, a story; DATA=folder for your own data
	$(call with_deps,demo-run)
demo-run: $(B)/usmd $(B)/usmctl $(B)/usmsync $(B)/oxsim $(B)/compare
	@sh tests/harness/with-servers sh tests/demo/demo $(B) $(DATA)

# --- the bench: only plain builds are measured --------------------------------
BENCH_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/bench/*.c)))
$(B)/obj/tests/bench/%.o: tests/bench/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(call pkgc,$(PKG_bench)) -MMD -MP -c -o $@ $<
$(B)/bench: $(BENCH_OBJ) $(call lib,model) $(call lib,util)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,$(PKG_bench) $(call libs_of,model util)) -lm
	@echo "  built $@"
.PHONY: bench bench-run
bench: ## usmd against the limits of this machine, and what grows with the folder; BENCH_QUICK=1 for smaller folders, BENCH_PARTS="growth" for a part
	$(call with_deps,bench-run)
.PHONY: bench-push
bench-push: ## 50,000 waiting clients (PUSH=n): memory, idle CPU, event to answer; open files must be allowed
	+BENCH_PARTS=push BENCH_PUSH=$(or $(PUSH),50000) $(MAKE) --no-print-directory bench
bench-run: $(B)/usmd $(B)/usmctl $(B)/oxsim $(B)/bench
	@sh tests/harness/with-servers sh tests/bench/run $(B)

# --- faults: real programs under load, faults at random moments, then everything must be equal ----
FAULTS ?= 500
FAULTS_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/clock.c,$(sort $(wildcard tests/faults/*.c)))) $(B)/obj/tests/harness/proc.o
FAULTS_RUN := $(addprefix $(B)/,usmd usmctl usmsync oxsim compare faults-clock.so)
$(B)/obj/tests/faults/%.o: tests/faults/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -D_GNU_SOURCE -Itests $(CPP_TESTS) -MMD -MP -c -o $@ $<
$(B)/faults: $(FAULTS_OBJ) $(call lib,util) | $(FAULTS_RUN)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,$(PKG_tests) $(PKG_util)) -lm
	@echo "  built $@"
$(B)/faults-clock.so: tests/faults/clock.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 -fPIC -shared -o $@ $<
.PHONY: faults faults-run
faults: ## kill, stop, starve and cut off real servers under load; FAULTS=n (500) SEED=s repeats
	$(call with_deps,faults-run)
faults-run: $(B)/faults
	@B=$(B) sh tests/harness/with-servers $(B)/faults $(FAULTS) $(SEED)

# --- replay of recorded exchanges against oxsim; its objects serve a test too ----
REPLAY_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/oxsim/replay/*.c)))
$(B)/oxsim-replay: $(REPLAY_OBJ)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,jansson libcurl)
	@echo "  built $@"

# --- simulation: the real engine in a world that is all in memory (tests/sim) -----
SIM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/sim/*.c)))
SIM_LIBS := engine sync model util
$(B)/obj/tests/sim/%.o: tests/sim/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(call pkgc,$(call libs_of,$(SIM_LIBS))) -MMD -MP -c -o $@ $<
$(B)/tests/sim: $(SIM_OBJ) $(foreach m,$(SIM_LIBS),$(call lib,$(m)))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,$(call libs_of,$(SIM_LIBS)))
SIM_SECONDS ?= 600
.PHONY: sim sim-mutants
sim: $(B)/tests/sim ## random histories of the real engine for SIM_SECONDS (600); SEED= begins there; a failure is told as a short story
	@$< --seconds $(SIM_SECONDS) $(if $(SEED),--seed $(SEED))
sim-mutants: export CFLAGS_SIM = $(CFLAGS_ALL) $(call pkgc,$(call libs_of,$(SIM_LIBS)))
sim-mutants: export LINK_SIM = $(LDFLAGS_ALL) $(SIM_OBJ) $(foreach m,$(SIM_LIBS),$(call lib,$(m))) $(call pkgl,$(call libs_of,$(SIM_LIBS)))
sim-mutants: export LINK_CASES = $(LDFLAGS_ALL) $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/unit/sync/*.c))) $(foreach m,sync model util,$(call lib,$(m))) $(call pkgl,check $(call libs_of,sync model util)) -lm
sim-mutants: $(B)/tests/sim $(B)/tests/unit_sync ## plant faults in the core one at a time (tests/sim/mutants): the simulation must notice each
	@CC='$(CC)' B=$(B) sh tests/sim/run-mutants

# --- unit tests: tests/unit/<module>/*.c -> one Check program a module -------
# Each links only what its module may use, so a wrong dependency is a link error.
# A module whose neighbours are faked in its tests says so here: UNIT_DEPS_<module> in place of DEPS_<module>,
# UNIT_OBJ_<module> further objects.
UNIT_DEPS_engine   := sync model util
UNIT_OBJ_engine    = $(filter-out %/main.o,$(SIM_OBJ))
UNIT_DEPS_protocol := model util
UNIT_OBJ_protocol  := $(B)/obj/tests/harness/schema.o
UNIT_MODULES := $(patsubst tests/unit/%/,%,$(sort $(wildcard tests/unit/*/)))
unit_deps = $(if $(UNIT_DEPS_$(1)),$(UNIT_DEPS_$(1)),$(DEPS_$(1)))
define unit_rules
$(B)/obj/tests/unit/$(1)/%.o: tests/unit/$(1)/%.c Makefile
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_ALL) -Itests $$(call pkgc,check $(PKG_$(1)) $(call libs_of,$(call unit_deps,$(1)))) -MMD -MP -c -o $$@ $$<
$(B)/tests/unit_$(1): $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/unit/$(1)/*.c))) $(UNIT_OBJ_$(1)) $(foreach m,$(1) $(call unit_deps,$(1)),$(call lib,$(m)))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(call pkgl,check $(call libs_of,$(1) $(call unit_deps,$(1)))) -lm
UNIT_BINS += $(B)/tests/unit_$(1)
endef
$(foreach m,$(UNIT_MODULES),$(eval $(call unit_rules,$(m))))

# --- fuzzing: tests/fuzz/fuzz_<name>.c, a libFuzzer harness each, with its seeds in tests/fuzz/corpus/<name>/ ---
# FUZZ_DEPS_<name>: modules in link order; FUZZ_AIM_<name>: the files whose coverage is told; FUZZ_OBJ_<name>: further objects (without $(B));
# FUZZ_LD_<name>: options of the linker.  `make unit` feeds the seeds without libFuzzer; `make fuzz` builds everything with clang's
# sanitizers and coverage in $(B)/fuzz and runs each for FUZZ_SECONDS (tests/fuzz/run).
FUZZ_SECONDS ?= 60
FUZZ_NAMES ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_DEPS_usmjson := protocol model util
FUZZ_DEPS_push    := push model util
FUZZ_AIM_push     := src/push/packet.c src/push/hook.c
FUZZ_OBJ_usmjson  := obj/tests/unit/protocol/fake_engine.o obj/tests/unit/protocol/fake_service.o
FUZZ_AIM_usmjson  := $(filter-out %/answer.c %/write.c %/status.c,$(wildcard src/protocol/usmjson/*.c))
FUZZ_DEPS_oxjson  := backend model util
FUZZ_AIM_oxjson   := src/backend/scan.c src/backend/rows.c
FUZZ_DEPS_oxevent := backend model util
FUZZ_AIM_oxevent  := $(addprefix src/backend/chronos_,event.c rule.c people.c body.c zone.c)
FUZZ_DEPS_oxcalls := backend model util
FUZZ_DEPS_sieve   := backend model util
FUZZ_AIM_sieve    := src/backend/sieve.c
FUZZ_DEPS_redact  := model util
FUZZ_AIM_redact   := src/util/trace_redact.c
FUZZ_LD_oxcalls   := -Wl,--wrap=http_do
FUZZ_AIM_oxcalls  := $(filter-out src/backend/http.c,$(wildcard src/backend/*.c))
FUZZ_DEPS_cached  := sync model util
FUZZ_OBJ_cached   := obj/src/engine/quick.o
FUZZ_AIM_cached   := src/engine/quick.c
FUZZ_DEPS_client  := client pim model util
FUZZ_LD_client    := -Wl,--wrap=net_call,--wrap=net_octets,--wrap=net_mail
FUZZ_AIM_client   := $(addprefix src/client/,apply.c attach.c attach_server.c changes.c convert.c directories.c file.c folders.c new_folders.c output.c \
	photo.c results.c run.c series.c stub.c todo.c twin.c unsure.c)
FUZZ_DEPS_conf    := conf util
FUZZ_AIM_conf     := $(addprefix src/conf/,conf.c value.c dump.c)
FUZZ_DEPS_tokens  := httpd hub model util
FUZZ_AIM_tokens   := $(addprefix src/model/,cursor.c row.c keys.c rights.c) src/util/text.c src/httpd/proxy.c
FUZZ_DEPS_http    := httpd hub util
FUZZ_AIM_http     := $(addprefix src/httpd/,request.c worker.c proxy.c reaper.c stream.c)
FUZZ_DEPS_vcard   := pim model util
FUZZ_AIM_vcard    := $(wildcard src/pim/vcard_*.c) $(addprefix src/pim/,attach.c base.c exact.c line.c text.c)
FUZZ_DEPS_ical    := pim model util
FUZZ_AIM_ical     := $(wildcard src/pim/ical*.c) $(addprefix src/pim/,exact.c expand.c line.c)
FUZZ_DEPS_mime    := pim model util
FUZZ_AIM_mime     := $(addprefix src/pim/,mime.c mbox.c html.c pim.c)
$(B)/obj/tests/fuzz/%.o: tests/fuzz/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(call pkgc,$(PKG_tests)) -MMD -MP -c -o $@ $<
define fuzz_rules
FUZZ_PARTS_$(1) := $(B)/obj/tests/fuzz/fuzz_$(1).o $(addprefix $(B)/,$(FUZZ_OBJ_$(1))) $(foreach m,$(FUZZ_DEPS_$(1)),$(call lib,$(m)))
$(B)/tests/replay_$(1): $(B)/obj/tests/fuzz/replay.o $$(FUZZ_PARTS_$(1))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) $$(FUZZ_LD_$(1)) -o $$@ $$^ $$(call pkgl,$$(call libs_of,$(FUZZ_DEPS_$(1)))) -lm
$(B)/tests/fuzz_$(1): $$(FUZZ_PARTS_$(1))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) $$(FUZZ_LD_$(1)) -fsanitize=fuzzer -o $$@ $$^ $$(call pkgl,$$(call libs_of,$(FUZZ_DEPS_$(1)))) -lm
REPLAY_BINS += $(B)/tests/replay_$(1)
FUZZ_BINS += $(B)/tests/fuzz_$(1)
endef
$(foreach n,$(FUZZ_NAMES),$(eval $(call fuzz_rules,$(n))))

FUZZ_FLAGS := CC=clang B=$(B)/fuzz SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' OPT=-O1 \
              EXTRA_CFLAGS='-fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping' EXTRA_LDFLAGS=-fprofile-instr-generate
.PHONY: fuzz fuzz-bins fuzz-run
fuzz-bins: $(FUZZ_BINS)
fuzz: ## run every fuzz harness (or FUZZ_NAMES=...) for FUZZ_SECONDS (60) with clang's sanitizers; says what each reached
	@sh tests/harness/deps --have fuzz 2>/dev/null || sh tests/harness/deps fuzz
	$(call with_deps,fuzz-run)
fuzz-run:
	+$(Q)$(MAKE) --no-print-directory $(FUZZ_FLAGS) fuzz-bins
	@set -e; $(foreach n,$(FUZZ_NAMES),sh tests/fuzz/run $(n) $(B)/fuzz $(FUZZ_SECONDS) $(FUZZ_AIM_$(n));)

# --- integration tests: tests/integration/test_*.c, one Check program each ---
# They run inside tests/harness/with-servers.  INT_LIBS_<test>: the modules that it links (default: the whole daemon),
# INT_OBJ_<test>: further objects, INT_RUN_<test>: programs that it starts.
INT_LIBS_test_store := store sync model util
INT_LIBS_test_sql   := store sync model util
INT_LIBS_test_upgrade := store sync model util
INT_LIBS_test_cache := cache model util
INT_LIBS_test_notify := store sync model util
INT_LIBS_test_backend      := backend model util
INT_RUN_test_backend       := $(B)/oxsim
INT_LIBS_test_calendar_modules := backend model util
INT_RUN_test_calendar_modules  := $(B)/oxsim
INT_LIBS_test_oxsim_replay := util
INT_OBJ_test_oxsim_replay  := $(filter-out %/replay.o,$(REPLAY_OBJ))
INT_RUN_test_oxsim_replay  := $(B)/oxsim
PROGRAMS := $(addprefix $(B)/,usmd usmctl usmsync oxsim)
INT_RUN_test_daemon        := $(PROGRAMS)
INT_RUN_test_systemd       := $(B)/usmd $(B)/usmctl
INT_RUN_test_guards        := $(PROGRAMS)
INT_RUN_test_push          := $(PROGRAMS)
INT_RUN_test_isolation     := $(PROGRAMS)
INT_RUN_test_keys          := $(PROGRAMS)
INT_RUN_test_attack        := $(PROGRAMS)
INT_RUN_test_rights        := $(PROGRAMS)
INT_RUN_test_folders       := $(PROGRAMS)
INT_RUN_test_client_rights := $(PROGRAMS)
INT_RUN_test_client_find   := $(PROGRAMS)
INT_RUN_test_people        := $(PROGRAMS)
INT_RUN_test_search        := $(PROGRAMS)
INT_RUN_test_refusals      := $(PROGRAMS)
INT_RUN_test_calendar_switch := $(PROGRAMS)
INT_RUN_test_tls           := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_oxsim_control := $(B)/oxsim
INT_RUN_test_fields        := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_time          := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_corpus        := $(PROGRAMS)
INT_RUN_test_photos        := $(PROGRAMS)
INT_RUN_test_patterns      := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_conflicts     := $(PROGRAMS)
INT_RUN_test_reconcile     := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_promises      := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_attachments   := $(PROGRAMS)
INT_RUN_test_lists         := $(PROGRAMS)
INT_RUN_test_faults        := $(B)/faults
INT_RUN_test_story         := $(PROGRAMS) $(B)/compare
INT_RUN_test_nodes         := $(PROGRAMS)
INT_RUN_test_own           := $(PROGRAMS)
INT_RUN_test_feedback      := $(PROGRAMS)
INT_RUN_test_client_own    := $(PROGRAMS)
INT_RUN_test_proxy         := $(PROGRAMS)
INT_RUN_test_watch         := $(PROGRAMS)
INT_RUN_test_unsettled     := $(PROGRAMS) $(B)/faults-clock.so
INT_RUN_test_sources       := $(PROGRAMS)
INT_RUN_test_explain       := $(PROGRAMS)
INT_RUN_test_admin         := $(PROGRAMS)
INT_RUN_test_usmctl        := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_trace         := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_RUN_test_metrics       := $(B)/usmd $(B)/usmctl $(B)/oxsim
INT_SRC  := $(sort $(wildcard tests/integration/test_*.c))
INT_BINS := $(patsubst tests/integration/%.c,$(B)/tests/int_%,$(INT_SRC))
INT_LIB  := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/harness/*.c)))
int_libs = $(or $(INT_LIBS_$(1)),$(DEPS_daemon) pim)
CPP_TESTS = $(call pkgc,$(PKG_tests))
$(B)/obj/tests/integration/%.o: tests/integration/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(CPP_TESTS) -MMD -MP -c -o $@ $<
$(B)/obj/tests/harness/%.o: tests/harness/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(CPP_TESTS) -MMD -MP -c -o $@ $<
define int_rules
$(B)/tests/int_$(1): $(B)/obj/tests/integration/$(1).o $(INT_OBJ_$(1)) $(INT_LIB) $(foreach m,$(call int_libs,$(1)),$(call lib,$(m))) | $(INT_RUN_$(1))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(call pkgl,$(PKG_tests) $(call libs_of,$(call int_libs,$(1)))) -lm
endef
$(foreach t,$(patsubst tests/integration/%.c,%,$(INT_SRC)),$(eval $(call int_rules,$(t))))
# runs the programs themselves
$(B)/tests/int_test_daemon: | $(B)/usmd $(B)/usmctl $(B)/oxsim
$(B)/tests/int_test_scheduling: | $(B)/usmsync
$(B)/tests/int_test_story: | $(B)/usmd $(B)/usmctl $(B)/usmsync $(B)/oxsim $(B)/compare

# --- tests --------------------------------------------------------------------
# $(call with_deps,TARGET): install what is missing, then make TARGET.  A second make, because this one has read its
# variables before pkg-config may have been there.
with_deps = +@sh tests/harness/deps --have 2>/dev/null || sh tests/harness/deps && $(MAKE) --no-print-directory $(1)

.PHONY: deps check check-run integration unit corpus attack
deps: ## install what Debian 12 lacks for the targets here, for lint and fuzz; elsewhere name the packages
	@sh tests/harness/deps all && sh tests/harness/deps lint && sh tests/harness/deps fuzz
check: ## build and run all tests; private servers are started for those that need them
	$(call with_deps,check-run)
check-run: $(UNIT_BINS) $(REPLAY_BINS) $(INT_BINS) $(if $(SAN),,hardening-check)
	@B=$(B) OXSIM=$(B)/oxsim sh tests/harness/with-servers sh tests/harness/run-tests $(UNIT_BINS) $(REPLAY_BINS) $(INT_BINS); rc=$$?; \
	[ $$rc -eq 77 ] || exit $$rc; sh tests/harness/run-tests $(UNIT_BINS) $(REPLAY_BINS) || exit; \
	echo 'SKIPPED, no servers: $(notdir $(INT_BINS))'
integration: $(INT_BINS) ## build and run the integration tests only
	@B=$(B) OXSIM=$(B)/oxsim sh tests/harness/with-servers sh tests/harness/run-tests $(INT_BINS)
corpus: $(B)/tests/int_test_corpus ## every file of the folder CORPUS there and back (check takes each fourth)
	@B=$(B) OXSIM=$(B)/oxsim CORPUS_EVERY=1 sh tests/harness/with-servers $<
attack: $(B)/tests/int_test_attack ## attacks with crowds from loopback, and what other clients feel of each (check takes a short form)
	@B=$(B) OXSIM=$(B)/oxsim ATTACK=long sh tests/harness/with-servers $<
unit: $(UNIT_BINS) $(REPLAY_BINS) ## build and run the unit tests only
	@sh tests/harness/run-tests $(UNIT_BINS) $(REPLAY_BINS)

.PHONY: hardening-check
hardening-check: $(B)/usmd $(B)/usmctl $(B)/usmsync ## are the programs built with all that makes holes hard to use? read from their code
	@sh tests/lint/check-hardening $^

# --- the same tests under sanitizers and gcov, each in its own build folder ------
# A sanitizer's report ends the program: the test fails.  Check runs all cases in one process there (CK_FORK=no), else
# leaks and races would be looked for in children that end too early.
SAN_ENV := CK_FORK=no STEPS=100000 KILLS=10 G_SLICE=always-malloc \
           ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1 \
           UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=$(CURDIR)/tests/harness/lsan.supp \
           TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$(CURDIR)/tests/harness/tsan.supp
# gcc knows the lengths of texts worse in instrumented code: its warnings of cut texts are for the plain build
SAN_WARN  := -Wno-format-truncation -Wno-maybe-uninitialized
SAN_FLAGS := OPT='-O1 -fno-omit-frame-pointer' EXTRA_CFLAGS='$(SAN_WARN)'
ASAN_MAKE := $(MAKE) --no-print-directory B=$(B)/asan SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' $(SAN_FLAGS)
TSAN_MAKE := $(MAKE) --no-print-directory B=$(B)/tsan SAN=-fsanitize=thread $(SAN_FLAGS)
COV_MAKE  := $(MAKE) --no-print-directory B=$(B)/cov OPT=-O1 EXTRA_CFLAGS='--coverage -fprofile-update=atomic $(SAN_WARN)' EXTRA_LDFLAGS=--coverage
# what has threads
TSAN_UNIT := util hub httpd backend
TSAN_INT  := $(filter test_cache test_notify test_store test_backend test_daemon test_story test_engine%,$(patsubst tests/integration/%.c,%,$(INT_SRC)))
TSAN_BINS := $(patsubst %,$(B)/tests/unit_%,$(filter $(TSAN_UNIT),$(UNIT_MODULES))) $(patsubst %,$(B)/tests/int_%,$(TSAN_INT))

.PHONY: asan tsan tsan-run cov stress-push
asan: ## all programs and tests with the address and undefined behaviour sanitizers
	+$(Q)$(ASAN_MAKE) all
	+$(Q)$(SAN_ENV) $(ASAN_MAKE) check
tsan: ## the tests of what has threads, with the thread sanitizer
	+$(Q)$(SAN_ENV) $(TSAN_MAKE) tsan-run
tsan-run: $(TSAN_BINS)
	@B=$(B) OXSIM=$(B)/oxsim sh tests/harness/with-servers sh tests/harness/run-tests $^
# CK_RUN_CASE picks the stress alone; how often what happened is its last line
STRESS_ENV := CK_RUN_CASE=stress STEPS=$(or $(STEPS),1000000)
stress-push: ## a million changes race with clients that wait, come and go: plain, then with the thread sanitizer; SEED= repeats
	+$(Q)$(MAKE) --no-print-directory $(B)/tests/unit_hub && $(STRESS_ENV) $(B)/tests/unit_hub
	+$(Q)$(TSAN_MAKE) $(B)/tsan/tests/unit_hub && $(SAN_ENV) $(STRESS_ENV) $(B)/tsan/tests/unit_hub
cov: ## lines covered by the tests, per module; fails when sync or protocol fall below 80 %
	$(Q)find $(B)/cov -name '*.gcda' -exec rm -f {} + 2>/dev/null || :
	+$(Q)$(COV_MAKE) check
	@sh tests/harness/coverage $(B)/cov/obj/src 80 sync protocol

.PHONY: status-shots
status-shots: $(B)/tests/unit_daemon ## pictures of the status page, light and dark, desktop and phone, in $(B)/shots; needs chromium
	@sh tests/status/shots $< $(B)/shots

# --- lint: only what needs no other tool than the compiler's; a broken rule names file and line ----
.PHONY: lint-fast
lint-fast: $(call lib,sync) ## layers, banned functions, purity of sync, tests named in manual pages, planted faults, and that these checks can fail
	$(Q)tests/lint/selftest
	$(Q)tests/lint/check-layers
	$(Q)tests/lint/check-banned
	$(Q)tests/lint/check-functions
	$(Q)tests/lint/check-promises
	$(Q)tests/lint/check-asserts
	$(Q)tests/lint/check-pure $(call lib,sync)
	$(Q)B=$(B) sh tests/sim/run-mutants --check

.PHONY: lint
lint: export CFLAGS_LINT = $(filter-out -Werror,$(CFLAGS_ALL)) $(DAEMON_PATHS) -Itests $(call pkgc,$(sort $(foreach m,$(MODULES) oxsim tests,$(PKG_$(m)))))
lint: lint-fast ## all checks of the sources: the above, headers alone, clang-tidy, cppcheck, shellcheck, man pages
	@sh tests/harness/deps --have lint 2>/dev/null || sh tests/harness/deps lint
	$(Q)B=$(B) sh tests/lint/tools

# --- installation: oxsim is a test's tool and never installed ---------------------
BINDIR  := $(PREFIX)/bin
SBINDIR := $(PREFIX)/sbin
DATADIR := $(PREFIX)/share/usmd
DOCDIR  := $(PREFIX)/share/doc/usmd
MANDIR  := $(PREFIX)/share/man
MAN_PAGES := $(filter-out man/oxsim.%,$(wildcard man/*.[1-9]))
# SOURCE:TARGET:MODE of everything that is installed; uninstall takes the same list
INSTALLED := $(B)/usmd:$(SBINDIR)/usmd:755 $(B)/usmctl:$(BINDIR)/usmctl:755 $(B)/usmsync:$(BINDIR)/usmsync:755 \
             $(foreach f,$(sort $(wildcard sql/*.sql)),$(f):$(DATADIR)/$(f):644) \
             $(foreach f,$(sort $(wildcard conf/schema/*.json)),$(f):$(DATADIR)/schema/$(notdir $(f)):644) \
             $(foreach f,$(MAN_PAGES),$(f):$(MANDIR)/man$(patsubst .%,%,$(suffix $(f)))/$(notdir $(f)):644) \
             conf/usmd.conf:$(DOCDIR)/usmd.conf.sample:644 \
             packaging/systemd/usmd.service:$(PREFIX)/lib/systemd/system/usmd.service:644 \
             packaging/systemd/usmd.socket:$(PREFIX)/lib/systemd/system/usmd.socket:644 \
             packaging/usmd-database:$(SBINDIR)/usmd-database:755 \
             packaging/systemd/usmd.sysusers:$(PREFIX)/lib/sysusers.d/usmd.conf:644 \
             packaging/systemd/usmd.tmpfiles:$(PREFIX)/lib/tmpfiles.d/usmd.conf:644 \
             packaging/apache/usmd.conf:$(DATADIR)/apache/usmd.conf:644 \
             packaging/apache/usmd-mpm.conf:$(DATADIR)/apache/usmd-mpm.conf:644 \
             packaging/monitoring/usmd-alerts.yml:$(DATADIR)/monitoring/usmd-alerts.yml:644 \
             packaging/monitoring/usmd-dashboard.json:$(DATADIR)/monitoring/usmd-dashboard.json:644 \
             $(foreach f,README.md ARCHITECTURE.md SECURITY.md NEWS,$(f):$(DOCDIR)/$(f):644)

.PHONY: install uninstall
install: $(B)/usmd $(B)/usmctl $(B)/usmsync ## install below DESTDIR and PREFIX; an existing SYSCONFDIR/usmd/usmd.conf stays
	@set -e; for f in $(INSTALLED); do \
		src=$${f%%:*} rest=$${f#*:}; dst=$(DESTDIR)$${rest%:*}; \
		mkdir -p "$${dst%/*}"; install -m "$${rest##*:}" "$$src" "$$dst"; echo "  $$dst"; \
	done
	@sed -i 's|/usr/bin/|$(BINDIR)/|; s|/usr/sbin/|$(SBINDIR)/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/usmd.service
	@c=$(DESTDIR)$(SYSCONFDIR)/usmd/usmd.conf; [ -e $$c ] || { mkdir -p $${c%/*} && install -m 644 conf/usmd.conf $$c && echo "  $$c"; }
uninstall: ## remove what install installed, but for the configuration
	@for f in $(INSTALLED); do rest=$${f#*:}; rm -f "$(DESTDIR)$${rest%:*}"; done
	@for d in $(DATADIR)/sql $(DATADIR)/schema $(DATADIR)/monitoring $(DATADIR)/apache $(DATADIR) $(DOCDIR); do [ ! -d $(DESTDIR)$$d ] || rmdir $(DESTDIR)$$d; done
	@echo "Kept: $(DESTDIR)$(SYSCONFDIR)/usmd"

# --- packages ---------------------------------------------------------------------
.PHONY: deb rpm package-test sbom
deb: ## build the Debian packages in build/deb and check them with lintian
	@sh tests/harness/deps --have deb 2>/dev/null || sh tests/harness/deps deb
	@packaging/build-deb $(VERSION) $(B)/deb
rpm: ## build the RPM packages in build/rpm (for use: on RHEL 9)
	@sh tests/harness/deps --have rpm 2>/dev/null || sh tests/harness/deps rpm
	@packaging/build-rpm $(VERSION) $(B)/rpm
package-test: $(B)/oxsim ## the Debian packages in a clean system: README, upgrade, purge, sandbox; root and a Debian mirror are needed
	@for d in deb package; do sh tests/harness/deps --have $$d 2>/dev/null || sh tests/harness/deps $$d || exit; done
	@sh tests/package/run $(B) $(VERSION)
sbom: $(B)/usmd $(B)/usmctl $(B)/usmsync ## the bill of materials of the programs just built, CycloneDX: build/usmd.cdx.json
	@packaging/sbom $(VERSION) $(B)/usmd $(B)/usmctl $(B)/usmsync >$(B)/usmd.cdx.json && echo "  $(B)/usmd.cdx.json"

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
