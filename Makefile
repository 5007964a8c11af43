# backstop: `make demo` and `make test` do everything on a fresh Debian machine.
# `make help` lists the targets.
VERSION := 0.2.0
VARIANT ?= release
BUILD   := build/$(VARIANT)
CC      ?= gcc
PKG_CONFIG := pkg-config

# ARCH=arm64 builds for another machine, by Debian's cross compiler and its packages for that machine (hack/in-debian.sh
# has both).
HOST_ARCH := $(or $(shell dpkg --print-architecture 2>/dev/null),amd64)
ARCH      := $(HOST_ARCH)
TRIPLET   := $(shell hack/triplet.sh $(ARCH))
ifneq ($(ARCH),$(HOST_ARCH))
BUILD      := build/$(VARIANT)-$(ARCH)
BINUTILS   := $(TRIPLET)-
CC         := $(BINUTILS)gcc
PKG_CONFIG := PKG_CONFIG_LIBDIR=/usr/lib/$(TRIPLET)/pkgconfig:/usr/share/pkgconfig pkg-config
endif
PACKAGES := libmicrohttpd gnutls openssl json-c yaml-0.1 libcurl libseccomp
TEST_PACKAGES := cunit

SOURCES := $(wildcard server/*/*.c server/*/*/*.c)
MAIN    := server/main.c
UNIT    := $(wildcard tests/unit/*.c)
FUZZERS := $(notdir $(basename $(wildcard tests/fuzz/fuzz_*.c)))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wformat=2 -Wundef -Wwrite-strings -Wpointer-arith -Wcast-qual -Werror
CPPFLAGS_ALL = -Iinclude -iquote server -D_GNU_SOURCE -DBACKSTOP_VERSION='"$(VERSION)"' $(CPPFLAGS)
comma := ,
HARDEN_release := -O3 -D_FORTIFY_SOURCE=2 -fstack-protector-strong$(if $(filter arm64,$(ARCH)), -mbranch-protection=standard)
CFLAGS_release := $(HARDEN_release) -ffunction-sections -g
CFLAGS_static := $(CFLAGS_release)
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_coverage := -O0 -g --coverage -DBACKSTOP_NO_SANDBOX
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_ALL = -std=c17 $(WARNINGS) -fPIE -pthread $(CFLAGS_$(VARIANT)) $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null) $(CFLAGS)
LDFLAGS_release := -Wl,-z,relro,-z,now
# libmicrohttpd's calls of these two are ours (server/http/transport.c), not GnuTLS's own.
WRAPPED := gnutls_record_send gnutls_record_recv
LDFLAGS_static := $(LDFLAGS_release) $(if $(filter amd64,$(ARCH)),-Wl$(comma)-z$(comma)pack-relative-relocs) $(WRAPPED:%=-Wl,--wrap=%)
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_coverage := --coverage
LDFLAGS_fuzz := -fsanitize=address,undefined
LDFLAGS_ALL = -pie -pthread $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
# libcurl is loaded when it is first needed (server/kube/curl.c).
LIBS = $(or $(LIBS_$(VARIANT)),$(shell $(PKG_CONFIG) --libs $(filter-out libcurl,$(PACKAGES)))) -ldl $(if $(filter coverage,$(VARIANT)),-lm)
# The image's binary has all of them in it, and libc (docs/performance.md): the image has no /etc/nsswitch.conf, so hosts are
# found by what libc has itself (hosts, DNS), and nothing of it is loaded. ld warns of that at each link. The plugin is the
# same but for the user's libc, since the user's machine may find hosts otherwise; so is an image for another architecture,
# as libc for cross compilers misses Debian's security updates.
STATIC_LIBC := $(if $(filter $(ARCH),$(HOST_ARCH)),c)
STATIC_LIBRARIES := microhttpd gnutls hogweed nettle gmp tasn1 idn2 unistring json-c yaml seccomp ssl crypto z
LIBS_static = -Wl,-Bstatic $(patsubst -lgnutls,$(or $(GNUTLS),-lgnutls),$(filter-out -lssl -lcrypto -lz,$(STATIC_LIBRARIES:%=-l%))) $(shell hack/slim-curl.sh $(ARCH)) -lssl -lcrypto -lz
TEST_LIBS = $(shell $(PKG_CONFIG) --libs $(TEST_PACKAGES))

OBJECTS      := $(SOURCES:%.c=$(BUILD)/%.o)
MAIN_OBJECT  := $(MAIN:%.c=$(BUILD)/%.o)
UNIT_OBJECTS := $(UNIT:%.c=$(BUILD)/%.o)

# One line a file; V=1 shows the commands, -s nothing.
silent := $(findstring s,$(firstword -$(MAKEFLAGS)))
quiet = $(if $(V),,@$(if $(silent),,echo "  $(1)  $(patsubst $(BUILD)/%,%,$@)";))

.DEFAULT_GOAL := all
.PHONY: all help static static-libraries
all: $(BUILD)/backstop ## Build the binary (VARIANT=release|static|asan|tsan|coverage)

static: ## Build build/static/backstop, the image's binary: nearly all libraries in it, and a slim libcurl
	@hack/install-deps.sh build static
	@hack/slim-curl.sh $(ARCH) >/dev/null
	$(MAKE) VARIANT=static all
static-libraries: ; @echo $(STATIC_LIBRARIES) $(STATIC_LIBC)

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 18

# One file says which commit and date these sources are of, and is compiled again when that changes.
$(BUILD)/server/commands/version.o: $(BUILD)/source-info
$(BUILD)/server/commands/version.o: CPPFLAGS += -DBACKSTOP_REVISION='"$(shell head -1 $(BUILD)/source-info)"' \
                                             -DBACKSTOP_SOURCE_DATE=$(shell tail -1 $(BUILD)/source-info)
.PHONY: always
$(BUILD)/source-info: always
	@mkdir -p $(@D)
	@{ hack/source-info.sh revision; hack/source-info.sh date; } >$@.new
	@cmp -s $@.new $@ || cp $@.new $@; rm -f $@.new

ifeq ($(VARIANT),static)
$(BUILD)/server/http/transport.o: CPPFLAGS += $(foreach name,$(WRAPPED),-D$(name)=__wrap_$(name))
$(BUILD)/server/kube/curl.o: CPPFLAGS += -DBACKSTOP_CURL_LINKED
endif

# Tests may build paths into buffers that the optimizer thinks too small.
$(UNIT_OBJECTS): CFLAGS += -Wno-format-truncation

$(BUILD)/%.o: %.c Makefile | deps
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The static binary differs from the release's in two files and has one of its own; the others are taken from there.
ifeq ($(VARIANT),static)
RELEASE := $(BUILD:build/static%=build/release%)
STATIC_PROGRAMS := $(BUILD)/backstop $(BUILD)/plugin/backstop $(BUILD)/unit-tests
$(BUILD)/backstop $(BUILD)/unordered: LDFLAGS += $(if $(STATIC_LIBC),-static-pie -Wl$(comma)--no-warnings)
$(BUILD)/backstop $(BUILD)/unordered: LIBS += $(if $(STATIC_LIBC),,-Wl$(comma)-Bdynamic)
$(BUILD)/plugin/backstop $(BUILD)/unit-tests: LIBS += -Wl,-Bdynamic
$(STATIC_PROGRAMS) $(BUILD)/unordered: $(BUILD)/server/without_pkcs11.o
$(BUILD)/libbackstop.a: $(BUILD)/server/http/transport.o $(BUILD)/server/kube/curl.o $(RELEASE)/libbackstop.a
	@cp $(RELEASE)/libbackstop.a $@
	$(call quiet,AR)$(BINUTILS)ar r $@ $(filter %.o,$^)
# What is used of the libraries stands side by side (docs/performance.md), but in what hack/order.py looks at: valgrind knows
# the functions of .text only.
$(STATIC_PROGRAMS): LDFLAGS += -Wl,-T,$(BUILD)/order.ld
$(STATIC_PROGRAMS): $(BUILD)/order.ld
$(BUILD)/order.ld: hack/order.awk hack/order.txt
	@mkdir -p $(@D)
	@awk -f $^ >$@
$(BUILD)/unordered: LDFLAGS += -Wl,-Map=$@.map
$(BUILD)/unordered: $(MAIN_OBJECT) $(BUILD)/libbackstop.a
	$(call quiet,LD)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(RELEASE)/libbackstop.a: always ; @$(MAKE) -s VARIANT=release ARCH=$(ARCH) $@
# On arm64 GnuTLS and OpenSSL both bring Cryptogams' AES, by the same names and not of one version: GnuTLS's get other names.
ifeq ($(ARCH),arm64)
GNUTLS := $(BUILD)/libgnutls.a
$(STATIC_PROGRAMS): | $(GNUTLS)
$(GNUTLS):
	@mkdir -p $(@D)
	@for name in gnutls crypto; do \
	  $(BINUTILS)nm -g --defined-only /usr/lib/$(TRIPLET)/lib$$name.a 2>/dev/null | sed -n 's/.* [A-Z] //p' | LC_ALL=C sort -u >$@.$$name; \
	done
	@LC_ALL=C comm -12 $@.gnutls $@.crypto | sed 's/.*/& gnutls_own_&/' >$@.both
	$(call quiet,OBJCOPY)$(BINUTILS)objcopy --redefine-syms=$@.both /usr/lib/$(TRIPLET)/libgnutls.a $@
endif
else
$(BUILD)/libbackstop.a: $(OBJECTS)
	@rm -f $@
	$(call quiet,AR)$(BINUTILS)ar rcs $@ $^
endif

$(BUILD)/backstop: $(MAIN_OBJECT) $(BUILD)/libbackstop.a
	$(call quiet,LD)$(CC) $(LDFLAGS_ALL) -o $@ $(filter-out %.ld,$^) $(LIBS)

# What krew installs (hack/release.sh).
$(BUILD)/plugin/backstop: $(MAIN_OBJECT) $(BUILD)/libbackstop.a
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(LDFLAGS_ALL) -o $@ $(filter-out %.ld,$^) $(LIBS)

$(BUILD)/unit-tests: $(UNIT_OBJECTS) $(BUILD)/libbackstop.a
	$(call quiet,LD)$(CC) $(LDFLAGS_ALL) -o $@ $(filter-out %.ld,$^) $(LIBS) $(TEST_LIBS)

-include $(shell find build -path build/debian -prune -o -path build/tools -prune -o -name '*.d' -type f -print 2>/dev/null)

# ---- what it needs ----------------------------------------------------------
.PHONY: deps
deps: ; @$(PKG_CONFIG) --exists $(PACKAGES) $(TEST_PACKAGES) 2>/dev/null || hack/install-deps.sh $(if $(filter $(ARCH),$(HOST_ARCH)),build,cross-$(ARCH))

# ---- tests ------------------------------------------------------------------
.PHONY: test unit golden wire asan tsan valgrind accept
test: unit golden review-manifests wire fuzz-replay mutate-sample torture-reviews layers messages docs-check docs-test ## Unit, golden, wire and corpus tests, and the layering check

unit: $(BUILD)/unit-tests ## CUnit tests (SUITES="settings gate": only those)
	$(BUILD)/unit-tests $(SUITES)

golden: $(BUILD)/backstop ## Golden cases, a folder each (tests/golden/README.md; CASES="GROUP GROUP/NAME": only those)
	tests/golden/run.sh $(BUILD)/backstop $(CASES)

accept: $(BUILD)/backstop ## Rewrite golden expectations (CASES=...), say which; read the diff before committing
	tests/golden/run.sh --accept $(BUILD)/backstop $(CASES)

.PHONY: review-manifests
review-manifests: $(BUILD)/backstop ## 300 valid manifests are reviewed without a misleading warning, and 10,000 broken ones noticed
	tests/manifests/run.py $(BUILD)/backstop

.PHONY: docs decisions docs-check docs-test
docs: decisions ## Write the generated pages (decisions, settings, metrics) and the screens that pages show
	hack/reference.py $(BUILD)/backstop
	tests/docs/run.py --accept $(BUILD)/backstop
	hack/pictures.py $(BUILD)/backstop

decisions: $(BUILD)/backstop
	hack/decisions.py $(BUILD)/backstop

docs-check: $(BUILD)/backstop schemas-check
	hack/decisions.py --check $(BUILD)/backstop
	hack/reference.py --check $(BUILD)/backstop
	hack/failure_modes.py

docs-test: $(BUILD)/backstop ## Run what README.md and docs/ show, and compare
	tests/docs/run.py $(BUILD)/backstop
	hack/pictures.py --check $(BUILD)/backstop

# What manifests are held against: the CRDs of several releases of Velero, and k0rdent's.
CRDS_BY_VERSION ?= $(BACKSTOP_CRDS_BY_VERSION)
K0RDENT_CRDS ?= $(BACKSTOP_E2E_CRDS)/kcm
.PHONY: schemas schemas-check
schemas: ## Write server/schema/crds.def (CRDS_BY_VERSION=DIR: velero-v1.18.3/... in it; K0RDENT_CRDS=DIR)
	hack/schemas.py "$(CRDS_BY_VERSION)" "$(K0RDENT_CRDS)"
schemas-check: ## Says whether it is old; passes where the CRDs are not at hand
	@if [ -d "$(CRDS_BY_VERSION)" ]; then hack/schemas.py --check "$(CRDS_BY_VERSION)" "$(K0RDENT_CRDS)"; \
	  else echo "schemas-check: CRDS_BY_VERSION is not set: not checked"; fi

wire: $(BUILD)/backstop ## Over real TLS sockets (SCRIPTS="review tls": only those)
	tests/wire/run.sh $(BUILD)/backstop $(SCRIPTS)

asan: ## All tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) VARIANT=asan unit golden wire

tsan: ## Unit and wire tests under ThreadSanitizer
	WIRE_STORM_SECONDS=20 $(MAKE) VARIANT=tsan unit wire

.PHONY: coverage
coverage: ## Lines that unit, golden and wire tests run, by module, with a minimum
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	-$(MAKE) -k VARIANT=coverage unit golden wire # slow and large as it is, it misses some of the limits that tests set
	hack/coverage.py build/coverage

valgrind: $(BUILD)/backstop $(BUILD)/unit-tests ## Unit tests and golden cases under valgrind
	@# which knows neither landlock's system calls nor an exec that fails
	valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible $(BUILD)/unit-tests -sandbox -kube_exec
	tests/golden/run.sh --valgrind $(BUILD)/backstop

# ---- the status page, in a browser ------------------------------------------
.PHONY: page-test
page-test: $(BUILD)/backstop ## The status page in headless Chromium; screenshots in build/page-test
	@command -v chromium >/dev/null || hack/install-deps.sh page
	PYTHONDONTWRITEBYTECODE=1 tests/page/run.py $(BUILD)/backstop build/page-test

# ---- end to end -------------------------------------------------------------
JOBS ?= 1# files of cases at a time, each with a control plane of its own: they wait more than they work
.PHONY: e2e
e2e: $(BUILD)/backstop ## Against a real kube-apiserver (KUBEBUILDER_ASSETS, or built by hack/; KUBERNETES=v1.30.14; CASES="install: gate:")
	tests/e2e/run.py -j $(JOBS) $(AGAIN) $(BUILD)/backstop $(CASES)

.PHONY: e2e-cert-manager
e2e-cert-manager: $(BUILD)/backstop ## The cases of cert-manager with its own controllers, built once from its Go module (5 minutes)
	BACKSTOP_CERT_MANAGER=$$(hack/tool.sh cert-manager) tests/e2e/run.py $(BUILD)/backstop cert_manager:

.PHONY: first-ten-minutes
first-ten-minutes: $(BUILD)/backstop ## Write the screens of docs/first-ten-minutes.md from a run on a real kube-apiserver
	BACKSTOP_ACCEPT=1 tests/e2e/run.py $(BUILD)/backstop first:

.PHONY: e2e-velero velero-diff
e2e-velero: $(BUILD)/backstop ## With the real Velero of each supported version, its CLI, and an S3 server (needs Go; VERSIONS="1.18.3", CASES=...)
	tests/e2e_velero/run.py -j $(JOBS) $(AGAIN) $(VERSIONS:%=-v%) $(BUILD)/backstop $(CASES)

velero-diff: $(BUILD)/backstop ## Random objects, judged by backstop and by the real Velero (needs Go; DIFF_ARGS=--help)
	tests/e2e_velero/diff.py $(VERSIONS:%=-v%) $(BUILD)/backstop $(DIFF_ARGS)

.PHONY: e2e-rolling hostile soak
e2e-rolling: $(BUILD)/backstop ## Two replicas behind the API server, replaced under load (ROLLING_ARGS=--help)
	tests/e2e/rolling.py $(BUILD)/backstop $(ROLLING_ARGS)

hostile: $(BUILD)/backstop ## Hostile clients, and what each costs: the table of docs/reliability.md
	tests/reliability/hostile.py $(BUILD)/backstop $(WORDS)

soak: $(BUILD)/backstop ## Mixed load with faults for SOAK_SECONDS (1800); memory, descriptors and threads must be flat
	tests/reliability/soak.py $(BUILD)/backstop

# ---- chart ------------------------------------------------------------------
.PHONY: manifests chart-test
manifests: ## Write manifests/install.yaml from the chart, and the settings into its schema (needs Go for helm)
	hack/manifests.py

chart-test: ## Lint and render the Helm chart, and test its alert rules (needs Go for helm and promtool)
	hack/chart-test.sh

# ---- fuzzing ----------------------------------------------------------------
.PHONY: fuzz fuzz-replay
FUZZ_SECONDS ?= 600
export FUZZ_CPU_MINUTES
# The instrumented library is made by a make of its own, once for all targets.
ifneq ($(VARIANT),fuzz)
.PHONY: build/fuzz/libbackstop.a
build/fuzz/libbackstop.a: | deps
	@command -v clang >/dev/null || hack/install-deps.sh lint
	$(MAKE) VARIANT=fuzz BUILD=build/fuzz CC=clang build/fuzz/libbackstop.a
endif
FUZZ_HEADERS := $(wildcard tests/fuzz/*.h)
build/fuzz/%: tests/fuzz/%.c $(FUZZ_HEADERS) build/fuzz/libbackstop.a
	clang $(CPPFLAGS_ALL) -std=c17 -Wall -Werror -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	  $(shell $(PKG_CONFIG) --cflags $(PACKAGES)) -o $@ $< build/fuzz/libbackstop.a $(LIBS) -pthread

fuzz: $(FUZZERS:%=build/fuzz/%) ## Run each libFuzzer target for FUZZ_SECONDS (600), or for FUZZ_CPU_MINUTES
	hack/fuzz.sh $(FUZZ_SECONDS) $(FUZZERS)

# The committed corpora, replayed without libFuzzer by a plain main.
$(BUILD)/replay_%: tests/fuzz/%.c tests/fuzz/replay.c $(FUZZ_HEADERS) $(BUILD)/libbackstop.a
	$(call quiet,CC)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) $(BUILD)/libbackstop.a $(LIBS)
fuzz-replay: $(FUZZERS:%=$(BUILD)/replay_%)
	@for f in $(FUZZERS); do $(BUILD)/replay_$$f tests/fuzz/corpus/$${f#fuzz_} || exit 1; done

# ---- one-node mutations -----------------------------------------------------------
.PHONY: mutate mutate-sample
$(BUILD)/mutate: $(BUILD)/tests/mutate/mutate.o $(BUILD)/tests/mutate/api.o $(BUILD)/libbackstop.a
	$(call quiet,LD)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

MUTATE_STRIDE ?= 1
mutate: ## Each value of each recorded review, document, answer and Secret becomes every JSON type, under ASan
	@$(MAKE) VARIANT=asan build/asan/mutate
	build/asan/mutate $(MUTATE_STRIDE) || { tail -n 40 build/mutate.log; exit 1; }

mutate-sample: $(BUILD)/mutate
	@$(BUILD)/mutate 211 || { tail -n 40 build/mutate.log; exit 1; }

# ---- allocations that fail ------------------------------------------------------
.PHONY: torture torture-reviews torture-server
$(BUILD)/torture: $(BUILD)/tests/torture/torture.o $(BUILD)/tests/torture/allocator.o $(BUILD)/libbackstop.a
	$(CC) $(LDFLAGS_ALL) -Wl,--wrap=time_now -o $@ $^ $(LIBS)
build/torture/requests/broken.json: tests/torture/requests.py
	python3 $< $(@D)

torture: torture-reviews torture-server ## Every allocation of a fixed set of reviews fails; and in a running webhook

build/torture/allocator.so: tests/torture/allocator.c tests/torture/allocator.h
	@mkdir -p $(@D)
	$(CC) -shared -fPIC -O2 -std=c17 -D_GNU_SOURCE -o $@ $<
torture-server: $(BUILD)/backstop build/torture/allocator.so
	certs/dev-cert.sh build/torture/certs
	WIRE_CERTS=build/torture/certs WIRE_OTHER_CERTS=build/torture/certs tests/torture/server.py $(BUILD)/backstop build/torture/allocator.so

torture-reviews: $(BUILD)/torture build/torture/requests/broken.json
	$(BUILD)/torture 1 build/torture/requests tests/golden/inventories/cluster.yaml build/torture/facts.yaml >$(BUILD)/torture.log || \
	  { grep FAIL $(BUILD)/torture.log; exit 1; }
	@tail -n 1 $(BUILD)/torture.log

# ---- performance (docs/performance.md) ---------------------------------------
.PHONY: bench bench-page bench-live bench-hellos bench-quick bench-quick-offline bench-offline bench-accept bench-inventory order
BENCH := build/bench
$(BENCH)/certs/tls.crt: certs/dev-cert.sh certs/dev-profile.cnf
	certs/dev-cert.sh $(BENCH)/certs
$(BENCH)/bodies/backup.json: tests/bench/bodies.py
	python3 tests/bench/bodies.py $(BENCH)/bodies
$(BENCH)/limit_mhd: tests/bench/limit_mhd.c | deps
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< -lmicrohttpd
$(BENCH)/fixed_set: tests/bench/fixed_set.c $(BUILD)/libbackstop.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(BENCH)/bin: $(shell find tests/bench/peers -type f 2>/dev/null)
	hack/install-deps.sh bench
	@mkdir -p $@
	cd tests/bench/peers && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $(CURDIR)/$@/ ./...
	@touch $@

bench: static $(BUILD)/backstop $(BENCH)/bin $(BENCH)/limit_mhd $(BENCH)/bodies/backup.json $(BENCH)/certs/tls.crt ## The image's binary beside Go's webhooks and the bare HTTP library (BENCH_ARGS=--help); needs Go and wrk
	tests/bench/bench.py build/static/backstop --development $(BUILD)/backstop --build $(BENCH) $(BENCH_ARGS)

bench-page: ## make bench on an idle machine, and its result into docs/performance.md (some ten minutes)
	$(MAKE) bench BENCH_ARGS="$(or $(BENCH_ARGS),--rounds 3 --seconds 2 --starts 9 --patience 120)"
	tests/bench/page.py "$$(ls -t $(BENCH)/result-*.md | head -1)" docs/performance.md

bench-live: static ## 10,000 Backups that all change in a real API server, then at rates that it cannot do, and a list of 50,000 (some three minutes)
	tests/bench/live.py build/static/backstop --sizes --seconds 20 --rates 300,1000,10000 --list 50000

bench-hellos: $(BUILD)/backstop $(BENCH)/bin $(BENCH)/bodies/backup.json $(BENCH)/certs/tls.crt ## Which clients offer to resume TLS sessions, and to which servers
	PYTHONDONTWRITEBYTECODE=1 tests/bench/hellos.py $(BUILD)/backstop $(BENCH)

bench-inventory: $(BUILD)/backstop ## 10,000 Backups and 1,000 storage locations in a real API server
	tests/e2e/bench_inventory.py $(BUILD)/backstop

bench-quick: $(BENCH)/fixed_set $(BENCH)/bodies/backup.json $(BUILD)/backstop $(BENCH)/certs/tls.crt ## Instruction counts against tests/bench/baseline.json, 5 % allowed; system calls of a review; starts of commands
	hack/bench-quick.sh $(BENCH)/fixed_set $(BENCH)/bodies
	@command -v strace >/dev/null || hack/install-deps.sh counts
	PYTHONDONTWRITEBYTECODE=1 tests/bench/syscalls.py $(BUILD)/backstop $(BENCH)
	PYTHONDONTWRITEBYTECODE=1 tests/bench/offline_counts.py $(BUILD)/backstop --quick

bench-quick-offline: $(BUILD)/backstop ## The same for the offline commands, against tests/bench/offline.json
	@command -v valgrind >/dev/null || hack/install-deps.sh bench
	tests/bench/offline_counts.py $(BUILD)/backstop

bench-offline: $(BUILD)/backstop ## CPU and memory of review, audit and status on 5,000 to 50,000 objects, with limits
	tests/bench/offline.py $(BUILD)/backstop

order: static $(BENCH)/bodies/backup.json $(BENCH)/certs/tls.crt ## Write hack/order.txt anew: what the image's binary uses of its libraries
	@command -v valgrind >/dev/null || hack/install-deps.sh counts
	$(MAKE) VARIANT=static build/static/unordered
	hack/order.py build/static/unordered build/static/unordered.map $(BENCH)

bench-accept: $(BENCH)/fixed_set $(BENCH)/bodies/backup.json $(BUILD)/backstop ## Rewrite both baselines; say why in the commit
	hack/bench-quick.sh $(BENCH)/fixed_set $(BENCH)/bodies --accept
	tests/bench/offline_counts.py $(BUILD)/backstop --accept

# ---- the rest ---------------------------------------------------------------
.PHONY: demo cron-table cron-diff lint layers format certs clean install
demo: $(BUILD)/backstop ## From nothing to real reviews over HTTPS, with a transcript
	hack/demo.py $(BUILD)/backstop

cron-table: ## Regenerate tests/unit/cron_table_*.tsv with the real robfig/cron and go-cron (needs Go)
	hack/cron/run.sh table

cron-diff: $(BUILD)/backstop ## Compare 60,000 random schedules with each, the real robfig/cron and go-cron (needs Go; COUNT=5000)
	hack/cron/run.sh diff $(BUILD)/backstop $(COUNT)

lint: ## Format, static analysis, layering, shell scripts
	hack/lint.sh

layers: $(BUILD)/backstop ; @hack/layers.py && hack/json-calls.sh
messages: ; @hack/messages.py

format: ## Reformat all C files
	clang-format -i $$(git ls-files '*.c' '*.h')

certs: $(BUILD)/backstop ## A development certificate in build/certs
	@mkdir -p build
	$(BUILD)/backstop certs issue --force build/certs

INSTALLED = $(DESTDIR)$(or $(PREFIX),/usr/local)
RUNS ?= $(BUILD)/backstop# what prints completions and man pages: one that runs on this machine
install: $(BUILD)/backstop ## Install to DESTDIR/PREFIX: binary, kubectl plugin, completions, man pages
	install -D -m 0755 $(BUILD)/backstop $(INSTALLED)/bin/backstop
	ln -sf backstop $(INSTALLED)/bin/kubectl-backstop
	ln -sf backstop $(INSTALLED)/bin/kubectl_complete-backstop
	install -d $(INSTALLED)/share/bash-completion/completions $(INSTALLED)/share/zsh/site-functions \
	  $(INSTALLED)/share/fish/vendor_completions.d $(INSTALLED)/share/man/man1
	$(RUNS) completion bash >$(INSTALLED)/share/bash-completion/completions/backstop
	$(RUNS) completion zsh >$(INSTALLED)/share/zsh/site-functions/_backstop
	$(RUNS) completion fish >$(INSTALLED)/share/fish/vendor_completions.d/backstop.fish
	$(RUNS) man --into $(INSTALLED)/share/man/man1

include hack/release.mk

clean: ## Remove build/
	rm -rf build
