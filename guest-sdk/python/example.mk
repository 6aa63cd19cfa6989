# How the Python examples are built. A Makefile sets NAME and APP, and includes
# this: `make` then builds $(BUILD)/$(NAME).wasm.

BUILD ?= build
TOOLS ?= ../../target/tools
PYTHON ?= python3
FLAGS ?=

SDK := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
# One environment for all of them. What an example does not name is left out.
VENV := $(TOOLS)/python
STAMP := $(VENV)/.installed-$(NAME)
COMMAND := $(VENV)/bin/fcgi-wasm-python

SOURCES := $(shell find . -type f -not -path './build/*' -not -path '*/__pycache__/*')
SDK_SOURCES := $(shell find -L $(SDK)/src -name '*.py' -o -name '*.wit')

$(BUILD)/$(NAME).wasm: $(SOURCES) $(SDK_SOURCES) $(STAMP)
	mkdir -p $(BUILD)
	$(COMMAND) '$(APP)' --output $@ $(FLAGS)

$(STAMP): requirements.txt $(SDK)/pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo 'python3 is needed' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo 'python3-venv is needed' >&2; exit 1; }
	mkdir -p $(TOOLS)
	flock $(TOOLS)/python.lock $(MAKE) --no-print-directory install

# Under the lock: another make may be at it for another example.
.PHONY: install clean
install:
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable $(SDK) --requirement requirements.txt
	touch $(STAMP)

clean:
	rm -rf build
