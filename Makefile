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
HARD := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fstack-clash-protection -fPIE
OPT  ?= -O2
CFLAGS_ALL = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE $(WARN) $(OPT) -g $(HARD) \
             $(SAN) -Iinclude -Isrc -DUSMD_VERSION='"$(VERSION)"' -pthread $(EXTRA_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now -pthread $(SAN) $(EXTRA_LDFLAGS) $(LDFLAGS)

# --- modules, each one archive; libraries that only this module may use ----
MODULES := util model conf sync store cache backend hub engine protocol httpd pim client daemon
PKG_util     := libcrypto
PKG_model    := jansson
PKG_store    := libpq
PKG_cache    := hiredis
PKG_backend  := libcurl jansson
PKG_engine   := jansson
PKG_protocol := jansson
PKG_httpd    := libmicrohttpd
PKG_pim      := libical gmime-3.0 jansson
PKG_client   := libcurl jansson sqlite3
PKG_daemon   := libsystemd
PKG_oxsim    := libmicrohttpd jansson gmime-3.0 libical
PKG_tests    := check jansson libpq libcurl hiredis libcrypto
# link order: dependants first (also the allowed arrows, see tests/lint/layers.txt)
DEPS_util     :=
DEPS_model    := util
DEPS_conf     := util
DEPS_sync     := model util
DEPS_store    := sync model util
DEPS_cache    := model util
DEPS_backend  := model util
DEPS_hub      := util
DEPS_pim      := model util
DEPS_engine   := store cache backend hub sync model util
DEPS_protocol := engine store cache backend hub sync model util
DEPS_httpd    := hub util
DEPS_client   := pim model util
DEPS_daemon   := httpd protocol engine store cache backend hub conf sync model util

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
$(B)/obj/src/daemon/%.o: EXTRA_CFLAGS += -DUSMD_CONFFILE='"$(SYSCONFDIR)/usmd/usmd.conf"' -DUSMD_SQLDIR='"$(PREFIX)/share/usmd/sql"'

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
.PHONY: demo
demo: $(B)/usmd $(B)/usmctl $(B)/usmsync $(B)/oxsim $(B)/compare ## the main job before your eyes: a server, two devices, a story; DATA=folder for your own data
	@sh tests/harness/with-servers sh tests/demo/demo $(B) $(DATA)

# --- replay of recorded exchanges against oxsim; its objects serve a test too ----
REPLAY_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/oxsim/replay/*.c)))
$(B)/oxsim-replay: $(REPLAY_OBJ)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,jansson libcurl)
	@echo "  built $@"

# --- unit tests: tests/unit/<module>/*.c -> one Check program a module -------
# Each links only what its module may use, so a wrong dependency is a link error.
# A module whose neighbours are faked in its tests says so here: UNIT_DEPS_<module> in place of DEPS_<module>,
# UNIT_OBJ_<module> further objects.
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
# FUZZ_DEPS_<name>: modules in link order; FUZZ_OBJ_<name>: further objects (without $(B)).  `make unit` feeds the
# seeds without libFuzzer; `make fuzz` builds everything with clang's sanitizers in $(B)/fuzz and runs each for FUZZ_SECONDS.
FUZZ_SECONDS ?= 60
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_DEPS_usmjson := protocol model util
FUZZ_DEPS_pim := pim model util
FUZZ_OBJ_usmjson  := obj/tests/unit/protocol/fake_engine.o
$(B)/obj/tests/fuzz/%.o: tests/fuzz/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(call pkgc,$(PKG_tests)) -MMD -MP -c -o $@ $<
define fuzz_rules
FUZZ_PARTS_$(1) := $(B)/obj/tests/fuzz/fuzz_$(1).o $(addprefix $(B)/,$(FUZZ_OBJ_$(1))) $(foreach m,$(FUZZ_DEPS_$(1)),$(call lib,$(m)))
$(B)/tests/replay_$(1): $(B)/obj/tests/fuzz/replay.o $$(FUZZ_PARTS_$(1))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(call pkgl,$$(call libs_of,$(FUZZ_DEPS_$(1)))) -lm
$(B)/tests/fuzz_$(1): $$(FUZZ_PARTS_$(1))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -fsanitize=fuzzer -o $$@ $$^ $$(call pkgl,$$(call libs_of,$(FUZZ_DEPS_$(1)))) -lm
REPLAY_BINS += $(B)/tests/replay_$(1)
FUZZ_BINS += $(B)/tests/fuzz_$(1)
endef
$(foreach n,$(FUZZ_NAMES),$(eval $(call fuzz_rules,$(n))))

FUZZ_FLAGS := CC=clang B=$(B)/fuzz SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' EXTRA_CFLAGS=-fsanitize=fuzzer-no-link OPT=-O1
.PHONY: fuzz fuzz-bins
fuzz-bins: $(FUZZ_BINS)
fuzz: ## run every fuzz harness for FUZZ_SECONDS (60) with clang's sanitizers
	$(Q)$(MAKE) --no-print-directory $(FUZZ_FLAGS) fuzz-bins
	@for n in $(FUZZ_NAMES); do \
		mkdir -p $(B)/fuzz/corpus/$$n $(B)/fuzz/crash && echo "== fuzz_$$n" && \
		$(B)/fuzz/tests/fuzz_$$n -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -rss_limit_mb=1024 \
			-artifact_prefix=$(B)/fuzz/crash/$$n- $(B)/fuzz/corpus/$$n tests/fuzz/corpus/$$n >$(B)/fuzz/$$n.log 2>&1 \
			|| { tail -40 $(B)/fuzz/$$n.log; exit 1; }; \
		grep -E 'number_of_executed_units|peak_rss' $(B)/fuzz/$$n.log; \
	done

# --- integration tests: tests/integration/test_*.c, one Check program each ---
# They run inside tests/harness/with-servers.  INT_LIBS_<test>: the modules that it links (default: the whole daemon),
# INT_OBJ_<test>: further objects, INT_RUN_<test>: programs that it starts.
INT_LIBS_test_store := store sync model util
INT_LIBS_test_sql   := store sync model util
INT_LIBS_test_cache := cache model util
INT_LIBS_test_backend      := backend model util
INT_RUN_test_backend       := $(B)/oxsim
INT_LIBS_test_oxsim_replay := util
INT_OBJ_test_oxsim_replay  := $(filter-out %/replay.o,$(REPLAY_OBJ))
INT_RUN_test_oxsim_replay  := $(B)/oxsim
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

.PHONY: check integration
check: $(UNIT_BINS) $(REPLAY_BINS) $(INT_BINS) ## build and run all tests; private servers are started for those that need them
	@OXSIM=$(B)/oxsim sh tests/harness/with-servers sh tests/harness/run-tests $(UNIT_BINS) $(REPLAY_BINS) $(INT_BINS); rc=$$?; \
	[ $$rc -eq 77 ] || exit $$rc; sh tests/harness/run-tests $(UNIT_BINS) $(REPLAY_BINS) || exit; \
	echo 'SKIPPED, no servers: $(notdir $(INT_BINS))'
integration: $(INT_BINS) ## build and run the integration tests only
	@OXSIM=$(B)/oxsim sh tests/harness/with-servers sh tests/harness/run-tests $(INT_BINS)

.PHONY: unit
unit: $(UNIT_BINS) $(REPLAY_BINS) ## build and run the unit tests only
	@sh tests/harness/run-tests $(UNIT_BINS) $(REPLAY_BINS)

# --- lint: only what needs no other tool than the compiler's; a broken rule names file and line ----
.PHONY: lint-fast
lint-fast: $(call lib,sync) ## layers, banned functions, purity of sync, and that these checks can fail
	$(Q)tests/lint/selftest
	$(Q)tests/lint/check-layers
	$(Q)tests/lint/check-banned
	$(Q)tests/lint/check-pure $(call lib,sync)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
