# Every target does its own set-up; each line below can be typed by hand as well.
# README.md says how to do without make.

PYTHON ?= python3
# further arguments for the command of a target: make test ARGS="-k softmax -x"
ARGS ?=
# processes that run tests side by side, each notebook within one of them
JOBS ?= logical
# threads of each: those of several processes would wait for each other at every step;
# the kernel of a notebook has one in any case (booktools/execution/execute.py)
THREADS ?= 1

# which framework stands in the PDF and in the EPUB, and what typesets them
FRAMEWORK ?= $(shell $(BOOK)/bin/python -c "from booktools import DEFAULT; print(DEFAULT.tag)")
NAME := multilayerperceptronssidebyside
TEX := latexmk texlive-xetex texlive-latex-recommended texlive-latex-extra \
  texlive-fonts-recommended texlive-plain-generic tex-gyre fonts-freefont-otf

BOOK := .venv-book
FULL := .venv
LINT := .venv-lint
ORIGINAL := .venv-original
PAGE := _build/html/index.html
SUPPORTED := "import sys; sys.exit(sys.version_info < (3, 11))"

# One file for every system and Python. Not said in pyproject.toml, where it would tell
# `uv pip install` to install for Python 3.11 on any other as well.
RESOLVE = uv pip compile --universal --python-version 3.11 --quiet \
  --custom-compile-command "make requirements" $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book latex pdf epub serve test notebooks lab bench lint format requirements clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo "Another Python: make test PYTHON=/path/to/python3.11"

book: $(BOOK)/ready ## build the book (no framework needed), warnings are errors
	$(BOOK)/bin/jupyter-book build . -W -n --keep-going $(ARGS)
	@echo "The first page: $(CURDIR)/$(PAGE)"

latex: $(BOOK)/ready ## write the book for LaTeX, with one framework (FRAMEWORK=...)
	rm -rf _build/latex
	BOOKTOOLS_FRAMEWORK=$(FRAMEWORK) $(BOOK)/bin/jupyter-book build . -W -n --keep-going --builder latex $(ARGS)

pdf: latex ## typeset the book as a PDF, with one framework (FRAMEWORK=...)
	@command -v latexmk >/dev/null && command -v xelatex >/dev/null || { \
	  echo "XeLaTeX is needed. Install it, for instance on Debian and Ubuntu by:"; \
	  echo "sudo apt-get install $(TEX)"; exit 1; } >&2
	cd _build/latex && latexmk -pdfxe -interaction=nonstopmode -halt-on-error -silent *.tex
	mkdir -p _build/pdf
	cp _build/latex/$(NAME).pdf _build/pdf/$(NAME)-$(FRAMEWORK).pdf
	@echo "The book: $(CURDIR)/_build/pdf/$(NAME)-$(FRAMEWORK).pdf"

epub: $(BOOK)/ready ## make an EPUB of the book, with one framework (FRAMEWORK=...)
	rm -rf _build/epub
	BOOKTOOLS_FRAMEWORK=$(FRAMEWORK) $(BOOK)/bin/jupyter-book build . -W -n --keep-going --builder custom --custom-builder epub $(ARGS)

serve: book ## show the built book at http://127.0.0.1:8000
	$(BOOK)/bin/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

test: $(FULL)/ready ## run the unit tests, and every notebook against its stored outputs
	OMP_NUM_THREADS=$(THREADS) $(FULL)/bin/python -m pytest --nbval -n $(JOBS) --dist loadfile $(ARGS)

notebooks: $(FULL)/ready ## write and run the notebooks that changed (ARGS=--force: all)
	$(FULL)/bin/python -m booktools notebooks $(ARGS)

lab: $(FULL)/ready ## open the notebooks in JupyterLab
	$(FULL)/bin/jupyter lab $(ARGS) notebooks

bench: $(FULL)/ready $(ORIGINAL)/ready ## measure beside the original library (ARGS=--quick: roughly)
	$(FULL)/bin/python -m benchmarks --original $(ORIGINAL)/bin/python $(ARGS)

lint: $(LINT)/ready ## check the code and its layout (installs no framework)
	$(LINT)/bin/ruff check
	$(LINT)/bin/ruff format --check

format: $(LINT)/ready ## lay out the code and fix what can be fixed
	$(LINT)/bin/ruff check --fix
	$(LINT)/bin/ruff format

requirements: ## resolve the pinned files again (ARGS=--upgrade: to the newest releases)
	$(RESOLVE) pyproject.toml requirements.in -o requirements.txt
	$(RESOLVE) pyproject.toml requirements-book.in -c requirements.txt -o requirements-book.txt

clean: ## remove what was built, except the environments
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.*' -prune -exec rm -rf {} +

$(BOOK)/ready: requirements-book.txt
$(FULL)/ready: requirements.txt

# An environment is brought up to date when its requirements change. By pip rather than
# uv, because pip comes with Python.
define create
	@test -x $(@D)/bin/python || $(PYTHON) -c $(SUPPORTED) || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is not it. Name another:"; \
	  echo "make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; } >&2
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@echo "Installing what $(@D) lacks (minutes, the first time)"
endef

%/ready: pyproject.toml
	$(create)
	$(@D)/bin/python -m pip install -qq -r $(filter %.txt,$^) -e .
	@touch $@

$(LINT)/ready: requirements.txt
	$(create)
	$(@D)/bin/python -m pip install -qq -c $< ruff
	@touch $@

# d2l 0.17.6 pins releases that can no longer be installed together, and torchvision
# its own build of PyTorch: both come without their dependencies.
$(ORIGINAL)/ready: benchmarks/requirements-original.txt
	test -x $(ORIGINAL)/bin/python || $(PYTHON) -m venv $(ORIGINAL)
	$(ORIGINAL)/bin/python -m pip install --quiet -r $<
	$(ORIGINAL)/bin/python -m pip install --quiet --no-deps d2l==0.17.6 torchvision==0.28.0
	@touch $@
