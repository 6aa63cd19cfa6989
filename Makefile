# Two commands do everything: `make demo` shows the server at work, `make test`
# installs what the tests need and runs them all.

CARGO := cargo
SOCKET := /tmp/app.sock
GUEST := $(CARGO) build --locked --profile guest --target wasm32-wasip2
HELLO := target/wasm32-wasip2/guest/hello.wasm
PROGRAM := target/debug/fcgi-wasm
# With the whole workspace and an example, because dependencies then have the
# features that the tests give them: wasmtime is built once for both.
BUILD := $(CARGO) build --locked --workspace --bin fcgi-wasm --example embed

.PHONY: demo test lint bench fuzz packages target

# Serves the smallest application on a socket and sends it a FastCGI request.
demo: target
	$(GUEST) --package hello
	$(BUILD)
	@set -e; \
	$(PROGRAM) serve $(HELLO) --socket $(SOCKET) & server=$$!; \
	trap 'kill $$server; wait $$server' EXIT; \
	until [ -S $(SOCKET) ]; do kill -0 $$server; sleep 0.1; done; \
	printf '\n$$ fcgi-wasm request $(SOCKET) /greet/Ada?polite=yes --mount /greet\n'; \
	$(PROGRAM) request $(SOCKET) '/greet/Ada?polite=yes' --mount /greet

# A test whose server or toolchain is missing fails here, and is reported as
# skipped under a plain `cargo test`.
test: packages target lint
	FCGI_WASM_TESTS_REQUIRE_ALL=1 $(CARGO) test --locked --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	$(CARGO) clippy --locked --profile guest --target wasm32-wasip2 --package 'fcgi-wasm-sdk' \
		--package hello --package hello-cgi --package hello-http --package hello-http3 \
		--package axum-example --package naughty --package naughty-cgi \
		--package naughty-http --package naughty-http3 --package naughty-roles \
		--package gate --package markdown -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --locked --workspace --no-deps
	@if command -v cargo-deny > /dev/null; then \
		$(CARGO) deny check bans licenses sources; \
	else \
		echo 'skipped: cargo-deny is not installed'; \
	fi

# Ratios of what was measured in one run; nothing is asserted of them. Whatever
# of nginx, php8.2-fpm, fcgiwrap, Go, wasmtime, strace and valgrind is installed
# takes part. `make bench BENCH=--quick` is done in a minute, `BENCH=--curves`
# shows how cost grows.
BENCH :=
bench: target
	$(CARGO) bench --locked --package fcgi-wasm -- $(BENCH)

# Needs `cargo install cargo-fuzz`. The compiler's unstable options are what
# libFuzzer hooks in with.
fuzz:
	cd host/fuzz && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run records -- -max_total_time=60
	cd host/fuzz && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run heads -- -max_total_time=60

# What guests are compiled for; without rustup it has to be there.
target:
	@if command -v rustup > /dev/null; then rustup target add wasm32-wasip2; fi

# The web servers, the FastCGI client and the process managers that the tests
# start, and what the examples in other languages get their toolchains by.
PACKAGES := nginx libfcgi-bin openssl
PACKAGES += apache2 libapache2-mod-fcgid libapache2-mod-xsendfile
PACKAGES += lighttpd lighttpd-mod-openssl caddy haproxy h2o
PACKAGES += multiwatch spawn-fcgi strace supervisor systemd valgrind
PACKAGES += $(shell command -v node > /dev/null && command -v npm > /dev/null || echo nodejs npm)
PACKAGES += $(shell python3 -c 'import ensurepip, venv' 2> /dev/null || echo python3 python3-venv)

# Debian starts a web server as soon as it is installed, and all of these want
# port 80. The policy forbids it while the packages are installed (and
# only then; one that is there already stays).
POLICY := /usr/sbin/policy-rc.d
packages:
	@missing=$$(dpkg-query --show --showformat='$${Package} $${Status}\n' $(PACKAGES) 2>&1 \
		| grep -v 'ok installed' || true); \
	if [ -n "$$missing" ]; then \
		root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		if [ ! -e $(POLICY) ]; then \
			trap "$$root rm -f $(POLICY)" EXIT; \
			printf '#!/bin/sh\nexit 101\n' | $$root tee $(POLICY) > /dev/null; \
			$$root chmod 755 $(POLICY); \
		fi; \
		$$root apt-get update --quiet=2; \
		$$root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes \
			--no-install-recommends $(PACKAGES); \
	fi
