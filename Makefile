# What there is to do with Belfry; `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help run build test lint fmt bench micro soak fuzz tools

# The client libraries that tests use: each folder with a lock file is installed
# again when that file is newer than what is there.
NPM := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(wildcard web/testdata/*/package-lock.json))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

run: ## start Belfry
	go run ./cmd/belfry

build: ## make the binary ./belfry
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o belfry ./cmd/belfry

# On Linux vet and staticcheck look at the code as the race detector compiles it, so
# that it is compiled once, and before the tests need the processor. Tests mostly wait:
# six of a package run at a time. Three packages do, of which web takes the longest and
# comes first.
test: RACE = $(if $(filter Linux,$(shell uname)),-race)
test: tools $(NPM) lint ## install what tests need on Debian or Ubuntu, lint, run every test
	BELFRY_TEST_REQUIRE=1 go test -race -vet=off -shuffle=on -p 3 -parallel 6 -timeout 30m ./web ./...

# The seed that the test prints makes the same faults again: make soak BELFRY_SEED=1
BELFRY_SOAK ?= 10m
soak: tools ## lose nothing while everything breaks, for ten minutes or BELFRY_SOAK=1h
	BELFRY_TEST_REQUIRE=1 BELFRY_SOAK=$(BELFRY_SOAK) BELFRY_SEED=$(BELFRY_SEED) \
		go test -race -count=1 -timeout 25h -v -run '^TestLoss$$' ./cmd/belfry

# What is found is kept under testdata/fuzz, where go test runs it from then on. On a
# busy machine go test takes the end of its time for a fault now and then, and says
# "context deadline exceeded" instead of where the failing input is.
BELFRY_FUZZ ?= 3600
fuzz: ## feed nonsense to whatever reads outside input, for an hour or BELFRY_FUZZ=600 seconds
	@set -- $$(go test -list '^Fuzz' ./... | awk '/^Fuzz/ {names[++n] = $$1} /^ok/ {for (i = 1; i <= n; i++) print $$2 ":" names[i]; n = 0}'); \
	each=$$((($(BELFRY_FUZZ) + $$# - 1) / $$#)); failed=; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	for target; do \
		echo "$${target#*:} of $${target%:*}, for $$each seconds"; \
		{ go test -run '^$$' -fuzz "^$${target#*:}\$$" -fuzztime "$${each}s" "$${target%:*}" || echo failed; } 2>&1 | tee "$$log"; \
		if grep -q '^failed' "$$log" && ! grep -q 'context deadline exceeded' "$$log"; then failed="$$failed $${target#*:}"; fi; \
	done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

lint: ## check format, vet for three systems, staticcheck
	@unformatted=$$(gofmt -l cmd configs hub policy web); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:" $$unformatted; exit 1; fi
	GOOS=linux go vet $(RACE) ./...
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...
	staticcheck=$$(go tool -n staticcheck) && GOFLAGS="$$GOFLAGS $(RACE)" $$staticcheck ./...

fmt: ## format the Go code
	gofmt -w cmd configs hub policy web

# With BEFORE, a commit or a binary, Belfry is measured beside that older one, and
# nothing is written; ROWS takes some of the rows:
#	make bench BEFORE=HEAD~1 ROWS=steady,idle
bench: ## measure Belfry beside its yardsticks, and write cmd/compare/results.md
	go run ./cmd/compare $(if $(BEFORE),-before $(BEFORE)) $(if $(ROWS),-only $(ROWS))

micro: ## run the Go benchmarks that stand beside the code
	go test -run '^$$' -bench . ./...

# Each package, and the programs of which one must be there: what tests run, and
# what the race detector is built with. Chromium's headless shell needs half of the
# processor time of the whole browser, which does as well. Ubuntu has only that, under
# another name, and needs snapd for it.
tools:
	@need() { package=$$1; shift; for program; do command -v "$$program" >/dev/null && return; done; missing="$$missing $$package"; }; \
	check() { \
		missing=; \
		need gcc gcc; \
		need redis-server redis-server; \
		need curl curl; \
		need nginx-light nginx /usr/sbin/nginx; \
		need nodejs node; \
		need npm npm; \
		need chromium-headless-shell chromium-headless-shell headless-shell $$browsers; \
		[ -z "$$missing" ]; \
	}; \
	browsers=; command -v apt-cache >/dev/null && apt-cache show chromium-headless-shell >/dev/null 2>&1 || \
		browsers="chromium chromium-browser google-chrome google-chrome-stable"; \
	check && exit; \
	echo "missing:$$missing"; \
	command -v apt-get >/dev/null || { echo "there is no apt-get here; please install these"; exit 1; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo --preserve-env=DEBIAN_FRONTEND"; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$sudo apt-get -qq update || exit; \
	apt-cache show chromium-headless-shell >/dev/null 2>&1 || missing=$$(echo "$$missing" | sed 's/chromium-headless-shell/chromium-browser/'); \
	case $$missing in *gcc*) missing="$$missing libc6-dev" ;; esac; \
	$$sudo apt-get -qq install -y --no-install-recommends $$missing >/dev/null || exit; \
	check || { echo "still missing after apt-get install:$$missing"; exit 1; }

%/node_modules/.package-lock.json: %/package-lock.json | tools
	cd $* && npm ci --no-audit --no-fund
	@touch $@
