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
PKG_tests    := check jansson libpq libcurl hiredis
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
DEPS_engine   := sync store cache backend hub model util
DEPS_protocol := engine sync store cache backend hub model util
DEPS_httpd    := hub util
DEPS_client   := pim model util
DEPS_daemon   := httpd protocol engine sync store cache backend hub conf model util

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

# --- replay of recorded exchanges against oxsim; its objects serve a test too ----
REPLAY_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/oxsim/replay/*.c)))
$(B)/oxsim-replay: $(REPLAY_OBJ)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,jansson libcurl)
	@echo "  built $@"
$(B)/tests/int_test_oxsim_replay: $(B)/obj/tests/integration/test_oxsim_replay.o \
    $(filter-out %/replay.o,$(REPLAY_OBJ)) | $(B)/oxsim
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,check jansson libcurl)

# --- unit tests: tests/unit/<module>/*.c -> one Check program a module -------
# Each links only what its module may use, so a wrong dependency is a link error.
UNIT_MODULES := $(patsubst tests/unit/%/,%,$(sort $(wildcard tests/unit/*/)))
define unit_rules
$(B)/obj/tests/unit/$(1)/%.o: tests/unit/$(1)/%.c Makefile
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_ALL) -Itests $$(call pkgc,check $(PKG_$(1)) $(call libs_of,$(DEPS_$(1)))) -MMD -MP -c -o $$@ $$<
$(B)/tests/unit_$(1): $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/unit/$(1)/*.c))) $(foreach m,$(1) $(DEPS_$(1)),$(call lib,$(m)))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(call pkgl,check $(call libs_of,$(1) $(DEPS_$(1)))) -lm
UNIT_BINS += $(B)/tests/unit_$(1)
endef
$(foreach m,$(UNIT_MODULES),$(eval $(call unit_rules,$(m))))

# --- integration tests: tests/integration/test_*.c, one Check program each ---
INT_SRC  := $(sort $(wildcard tests/integration/test_*.c))
INT_BINS := $(patsubst tests/integration/%.c,$(B)/tests/int_%,$(INT_SRC))
INT_LIB  := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/harness/*.c)))
$(B)/obj/tests/integration/%.o $(B)/obj/tests/harness/%.o: CPP_TESTS = $(call pkgc,$(PKG_tests))
$(B)/obj/tests/integration/%.o: tests/integration/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(CPP_TESTS) -MMD -MP -c -o $@ $<
$(B)/obj/tests/harness/%.o: tests/harness/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests $(CPP_TESTS) -MMD -MP -c -o $@ $<
$(B)/tests/int_%: $(B)/obj/tests/integration/%.o $(INT_LIB) $(foreach m,$(DEPS_daemon) pim,$(call lib,$(m)))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkgl,$(PKG_tests) $(call libs_of,$(DEPS_daemon) pim)) -lm

.PHONY: unit
unit: $(UNIT_BINS) ## build and run the unit tests only
	@sh tests/harness/run-tests $(UNIT_BINS)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
