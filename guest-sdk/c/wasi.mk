# Where a C or Zig program for WebAssembly gets its compiler from. To be
# included by a Makefile, which says what `all` needs; it sets WASI_CC,
# WASI_FLAGS, WASI_TOOLS and ZIG.
#
# Debian's clang is taken where it is whole (clang, lld, wasi-libc,
# libclang-rt-*-dev-wasm32), else Zig from PyPI, which is a C compiler that
# brings its own libc. `make WASI_CC='…'` takes any other.

.PHONY: all
all:

BUILD ?= build
TOOLS ?= ../../target/tools
TOOLS_FOLDER := $(abspath $(TOOLS))

ZIG_VERSION := 0.17.1
ZIG_FOLDER := $(TOOLS_FOLDER)/zig-$(ZIG_VERSION)
ZIG_INSTALLED := $(ZIG_FOLDER)/installed
ZIG := $(ZIG_FOLDER)/bin/python-zig
# Beside the compiler, so that nothing is left elsewhere.
export ZIG_GLOBAL_CACHE_DIR := $(TOOLS_FOLDER)/zig-cache
export ZIG_LOCAL_CACHE_DIR := $(TOOLS_FOLDER)/zig-cache

CLANG_WORKS := $(shell printf '\043include <stdio.h>\nint main(void) { return puts(""); }' \
	| clang --target=wasm32-wasi -x c -o /dev/null - 2> /dev/null && echo yes)

ifdef WASI_CC
WASI_TOOLS :=
else ifeq ($(CLANG_WORKS),yes)
# clang's stack lies above the data and grows into it without a trap.
WASI_CC := clang --target=wasm32-wasi -Wl,--stack-first
WASI_TOOLS :=
else
WASI_CC := $(ZIG) cc -target wasm32-wasi
WASI_TOOLS := $(ZIG_INSTALLED)
endif

# clang's stack is 64 KiB, Zig's 16 MiB, all of which each instance counts.
WASI_FLAGS := -Os -s -Wl,-z,stack-size=1048576

# Once, even if several makes want it at a time.
$(ZIG_INSTALLED):
	@command -v python3 > /dev/null || { echo 'python3 is needed: Zig comes from PyPI' >&2; exit 1; }
	@command -v flock > /dev/null || { echo 'flock (util-linux) is needed' >&2; exit 1; }
	@mkdir -p $(TOOLS_FOLDER)
	@flock $(ZIG_FOLDER).lock sh -ec 'test -f $@ && exit; \
		python3 -m venv $(ZIG_FOLDER); \
		$(ZIG_FOLDER)/bin/pip install --quiet --disable-pip-version-check ziglang==$(ZIG_VERSION); \
		touch $@'
