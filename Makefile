# pgherald: build, check, demo, bench, install. GNU make. `make help` lists the targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
PYTHON ?= /usr/bin/python3
VERSIONS ?= 14 18
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC := gcc
endif

# One build directory for each kind of build, so that they never mix.
BUILD ?= build$(if $(findstring clang,$(CC)),/clang)$(if $(SANITIZE),/sanitize)

SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
TESTS := $(sort $(wildcard tests/unit/test_*.c))
EMBEDDED := $(sort $(wildcard migrations/*.sql sql/functions/*/*.sql sql/views/*.sql sql/grants.sql \
                             packaging/pgherald.conf src/sandbox/page.html src/sandbox/sample.png))

OBJECTS := $(SOURCES:src/%.c=$(BUILD)/obj/%.o) $(BUILD)/embedded.o
LIBRARY := $(filter-out $(BUILD)/obj/main.o,$(OBJECTS))
TEST_PROGRAMS := $(TESTS:tests/unit/%.c=$(BUILD)/unit/%)

FUZZ_TARGETS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZED := $(filter $(foreach layer,base io gateway web,$(BUILD)/obj/$(layer)/%),$(OBJECTS))

# The libraries are asked for only where something is compiled: `make check` may have to install them first.
PACKAGES := libpq libcurl yajl libsystemd libmicrohttpd libcrypto libqrencode
GOALS := $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out check check-boot check-fast check-versions check-sql-% demo psql bench torture fuzz clean help check-lint check-sql \
                    check-system check-sanitize check-fuzz uninstall,$(GOALS)),)
MISSING := $(strip $(foreach p,$(PACKAGES),$(shell $(PKG_CONFIG) --exists $(p) 2>&1 || echo $(p))))
ifneq ($(MISSING),)
$(error missing libraries: $(MISSING); `tools/install-deps build` installs them on Debian and Ubuntu)
endif
PACKAGE_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PACKAGE_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES))
endif

CFLAGS ?= -O2 -g
OUR_CPPFLAGS := -D_GNU_SOURCE= -DPGHERALD_VERSION='"$(VERSION)"' -Isrc -I$(BUILD) -include src/base/banned.h -MMD -MP
OUR_CFLAGS := -std=gnu17 -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wwrite-strings \
              -Wformat=2 -Wno-unused-parameter $(if $(WERROR),-Werror) -fPIE -fstack-protector-strong -fno-common \
              $(PACKAGE_CFLAGS)
OUR_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(SANITIZE),)
OUR_CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
OUR_CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
OUR_LDFLAGS += -fsanitize=$(SANITIZE)
endif
COMPILE = $(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(CFLAGS)
LINK = $(CC) $(OUR_CFLAGS) $(CFLAGS) $(OUR_LDFLAGS) $(LDFLAGS)

Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1) $(2)';)
MAKEFLAGS += --no-print-directory

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all objects check check-boot check-fast check-unit check-lint check-sql check-versions check-system check-sanitize check-fuzz fuzz \
        fuzz-programs unit-programs demo psql bench torture install uninstall clean compile_commands.json help FORCE

all: $(if $(wildcard src/main.c),$(BUILD)/pgherald,objects)
objects: $(OBJECTS)

$(BUILD)/pgherald: $(OBJECTS)
	$(call say,LINK,$@)$(LINK) -o $@ $(OBJECTS) $(PACKAGE_LIBS)

$(BUILD)/obj/%.o: src/%.c $(BUILD)/flags | $(BUILD)/queries.inc
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -c -o $@ $<

# --- generated ---

$(BUILD)/queries.inc: tools/queries.awk sql/queries.sql
	@mkdir -p $(@D)
	$(call say,GEN,$@)awk -f tools/queries.awk sql/queries.sql >$@

$(BUILD)/embedded.c: tools/embed $(EMBEDDED) $(BUILD)/embedded.list
	$(call say,GEN,$@)tools/embed $(EMBEDDED) >$@

$(BUILD)/embedded.o: $(BUILD)/embedded.c $(EMBEDDED) $(BUILD)/flags
	$(call say,CC,$<)$(COMPILE) -c -o $@ $<

# Written only where they changed: what was built with other flags, or with a file that has gone, is built anew.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(COMPILE) $(LINK))' | cmp -s - $@ || \
	    printf '%s\n' '$(subst ','\'',$(COMPILE) $(LINK))' >$@

$(BUILD)/embedded.list: FORCE
	@mkdir -p $(@D)
	@echo '$(EMBEDDED)' | cmp -s - $@ || echo '$(EMBEDDED)' >$@

# --- tests ---

$(BUILD)/library.a: $(LIBRARY)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(LIBRARY)

# A test may need flags of its own (--wrap): a line "link: FLAGS" in its opening comment.
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/library.a $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(COMPILE) -Itests/unit $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/library.a \
	    $$(sed -n '1,12s/^.*link: \([^*]*\).*/\1/p' $<) $(PACKAGE_LIBS) -lcmocka

# A file of tests stays together, with a cluster of its own; the tests mostly wait, so there are five at a time for two cores.
PYTEST = $(PYTHON) -m pytest -q -p no:cacheprovider -n $(shell expr 5 \* $$(nproc) / 2) --dist loadfile
PYTEST_ONE = $(PYTHON) -m pytest -q -p no:cacheprovider $(or $(wildcard tests/system/test_$(K).py),-k '$(K)' tests/system)

unit-programs: $(TEST_PROGRAMS)

# T=bell: tests/unit/test_bell.c alone.
check-unit: $(if $(T),$(BUILD)/unit/test_$(T),$(TEST_PROGRAMS))
	$(Q)tests/unit/run $^

check-lint:
	$(Q)tests/lint/run

# K=ring: tests/system/test_ring.py alone; where there is no such file, the tests with that in their names.
check-system:
	$(Q)$(MAKE) all $(BUILD)/sink
	$(Q)PGHERALD='$(abspath $(BUILD)/pgherald)' $(if $(K),$(PYTEST_ONE),$(PYTEST) tests/system)

# The tests of the SQL functions.
check-sql:
	$(Q)$(MAKE) all
	$(Q)PGHERALD='$(abspath $(BUILD)/pgherald)' $(PYTEST) tests/system/test_sql_*.py

# The same on the oldest and the newest PostgreSQL that pgherald runs on.
check-versions: $(VERSIONS:%=check-sql-%)
check-sql-%:
	$(Q)bin=$$(tools/install-postgres $*) && PG_BIN="$$bin" $(MAKE) check-sql

# Within a minute: what shows most mistakes.
check-fast:
	$(Q)tools/install-deps check
	$(Q)$(MAKE) -j$(shell nproc) all unit-programs
	$(Q)$(MAKE) -j3 -Otarget check-lint check-unit check-sql

check-sanitize:
	$(Q)$(MAKE) -j$(shell nproc) SANITIZE=address,undefined BUILD=$(BUILD)/sanitize all unit-programs
	$(Q)$(MAKE) SANITIZE=address,undefined BUILD=$(BUILD)/sanitize check-unit
	$(Q)PGHERALD='$(abspath $(BUILD)/sanitize/pgherald)' $(PYTEST) -m sanitize tests/system

# libFuzzer is clang's.
FUZZ_BUILD = $(MAKE) -j$(shell nproc) CC=clang SANITIZE=fuzzer-no-link,address,undefined BUILD=build/fuzz CFLAGS='-O1 -g'
FUZZ_SEC ?= 60
FUZZ ?= $(FUZZ_TARGETS:tests/fuzz/fuzz_%.c=%)

$(BUILD)/fuzzed.a: $(FUZZED)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(FUZZED)

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzzed.a $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)$(COMPILE) -fsanitize=fuzzer $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/fuzzed.a $(PACKAGE_LIBS)

fuzz-programs: $(FUZZ_PROGRAMS)

check-fuzz:
	$(Q)$(FUZZ_BUILD) fuzz-programs
	$(Q)tests/fuzz/run check $(FUZZ:%=build/fuzz/fuzz/fuzz_%)

# Minutes of new inputs; `make check` replays those that are kept.
fuzz:
	$(Q)tools/install-deps check
	$(Q)$(FUZZ_BUILD) fuzz-programs
	$(Q)tests/fuzz/run $(FUZZ_SEC) $(FUZZ:%=build/fuzz/fuzz/fuzz_%)

# The whole system tests come last, so that their summary closes the output.
check:
	$(Q)tools/install-deps check
	$(Q)$(MAKE) -j$(shell nproc) all unit-programs
	$(Q)$(MAKE) check-lint
	$(Q)$(MAKE) check-unit
	$(Q)$(MAKE) check-fuzz
	$(Q)$(MAKE) check-sanitize
	$(Q)$(MAKE) check-system

# As root: the units in a real systemd, in namespaces.
check-boot:
	$(Q)tools/install-deps check
	$(Q)$(MAKE) all
	$(Q)tests/boot/run

demo:
	$(Q)tools/install-deps demo
	$(Q)$(MAKE) all
	$(Q)PGHERALD='$(abspath $(BUILD)/pgherald)' tools/demo $(EXAMPLE)

# A migrated database with an example loaded, and psql in it.
psql:
	$(Q)tools/install-deps demo
	$(Q)$(MAKE) all
	$(Q)PGHERALD='$(abspath $(BUILD)/pgherald)' tools/demo --psql $(or $(EXAMPLE),rc_meters)

# For clangd and its like, which look for it here.
compile_commands.json: $(BUILD)/queries.inc
	$(call say,GEN,$@)COMPILE='$(subst ','\'',$(COMPILE) -Itests/unit)' tools/compile-commands $(SOURCES) $(TESTS) $(FUZZ_TARGETS) >$@

# The server that the benchmarks send to. It stands alone: none of the daemon's code is in it.
$(BUILD)/sink: tests/bench/sink.c $(BUILD)/flags
	$(call say,LINK,$@)$(COMPILE) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $<

bench:
	$(Q)tools/install-deps check
	$(Q)$(MAKE) all $(BUILD)/sink
	$(Q)PGHERALD_BUILD='$(abspath $(BUILD))' $(PYTHON) -B tests/bench/bench.py $(BENCH)

# Minutes of crashes; `make check` has a short form of each.
torture:
	$(Q)tools/install-deps check
	$(Q)$(MAKE) all $(BUILD)/sink
	$(Q)PGHERALD='$(abspath $(BUILD)/pgherald)' $(PYTHON) -B tests/torture/run $(TORTURE)

# --- install ---

D := $(DESTDIR)$(PREFIX)
MANUALS = $(wildcard packaging/*.1 packaging/*.5 packaging/*.8)
UNITS = $(wildcard packaging/*.service packaging/*.socket packaging/*.timer)

install: all
	install -D -m 755 $(BUILD)/pgherald $(D)/bin/pgherald
	$(foreach f,$(UNITS),install -d $(D)/lib/systemd/system && sed 's|/usr/local/bin/|$(PREFIX)/bin/|g' $(f) \
	    >$(D)/lib/systemd/system/$(notdir $(f)) && chmod 644 $(D)/lib/systemd/system/$(notdir $(f)) && ) :
	$(foreach f,$(wildcard packaging/pgherald.sysusers),install -D -m 644 $(f) $(D)/lib/sysusers.d/pgherald.conf)
	$(foreach f,$(MANUALS),install -D -m 644 $(f) $(D)/share/man/man$(subst .,,$(suffix $(f)))/$(notdir $(f)) && ) :
	$(foreach f,$(wildcard packaging/pgherald.bash-completion),\
	    install -D -m 644 $(f) $(D)/share/bash-completion/completions/pgherald)
	install -d $(D)/share/pgherald/examples
	$(foreach f,$(wildcard sql/examples/*),cp -R $(f) $(D)/share/pgherald/examples/ && ) :
	$(foreach f,$(wildcard packaging/pgherald.conf),test -e $(DESTDIR)$(SYSCONFDIR)/pgherald/pgherald.conf || \
	    install -D -m 644 $(f) $(DESTDIR)$(SYSCONFDIR)/pgherald/pgherald.conf)

# The configuration stays: it is the administrator's.
uninstall:
	rm -f $(D)/bin/pgherald $(D)/lib/sysusers.d/pgherald.conf $(D)/share/bash-completion/completions/pgherald
	rm -f $(foreach f,$(UNITS),$(D)/lib/systemd/system/$(notdir $(f)))
	rm -f $(foreach f,$(MANUALS),$(D)/share/man/man$(subst .,,$(suffix $(f)))/$(notdir $(f)))
	rm -rf $(D)/share/pgherald

clean:
	rm -rf build

help:
	@echo 'make                builds $(BUILD)/pgherald        V=1 shows commands, WERROR=1 makes warnings errors,'
	@echo 'make objects        compiles only                  CC=clang and SANITIZE=address,undefined build apart'
	@echo 'make check          installs what is missing (Debian, Ubuntu), builds, runs every test'
	@echo '     check-lint, check-unit, check-fuzz, check-sanitize, check-system: its parts'
	@echo '     check-unit T=bell, check-system K=ring: one file of tests alone'
	@echo '     PG_BIN=/usr/lib/postgresql/16/bin: tests use that PostgreSQL'
	@echo 'make check-versions the SQL tests on PostgreSQL $(VERSIONS)'
	@echo 'make check-boot     as root: the units in a real systemd, booted in namespaces'
	@echo 'make check-fast     lint, unit tests and the SQL tests, within a minute'
	@echo 'make demo           shows it at work, on a database of its own; EXAMPLE=rc_meters shows one of sql/examples alone'
	@echo 'make psql           a migrated database with an example loaded, and psql in it; EXAMPLE=campaigns loads another'
	@echo 'make compile_commands.json   for clangd and other tools'
	@echo 'make bench          measures; BENCH="a c --quick" runs single parts'
	@echo 'make torture        kills daemons and databases under load, for half an hour; TORTURE="storm --share 0.1" a part of it'
	@echo 'make fuzz           throws inputs at every parser; FUZZ_SEC=600 is longer, FUZZ="json url" names targets'
	@echo 'make install        PREFIX=$(PREFIX), DESTDIR; uninstall takes it out again'
	@echo 'make clean          removes build/'

-include $(OBJECTS:.o=.d) $(TEST_PROGRAMS:=.d) $(FUZZ_PROGRAMS:=.d)
