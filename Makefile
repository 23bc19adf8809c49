# Every target is one module of pipelines/, which can be run directly: .venv/bin/python -m pipelines.fold --help
-include local.mk

COMP ?= practice
DECLARE ?= holdout
SETUP_PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell $(name) -c 'import sys; print("$(name)" * (sys.version_info >= (3, 11)))' 2>/dev/null)))
READY := .venv/.ready
PEERS := .venv-peers/.ready
PYTHON := .venv/bin/python
RUN := $(PYTHON) -m pipelines.
# values reach the shell through the environment, so that no quote in them can break a line
export COMP MODEL MODELS STACK SET WORKERS DATA FILE MESSAGE VAL TEST IDS TEST_IDS LOGITS DECLARE LABELS AT_LEAST HOLDOUT QUICK ID
given = $(if $($(1)),$(2) "$$$(1)")
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup data competition folds gallery model models stack vote overlay submit import score practice rare neighbours compare without paper bench bench-stack check test

help: ## this list
	@echo "Targets:"
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {sub("%", "K", $$1); printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "Variables (COMP = $(COMP)):"
	@awk '/^#: / {name = $$2; sub("^#: [A-Z_]+ +", ""); printf "  %-17s %s\n", name, $$0}' Makefile

#: COMP     competition: a YAML of configs/competitions or configs/local (a line COMP = hpa in local.mk changes the default)
#: MODEL    one model: a YAML of configs/models (make fold-K, model, import, rare, without)
#: MODELS   "a b c": models to train, to stack (default: those the competition lists; all complete ones), to let vote or, joined as "a+b a b", to compare
#: STACK    which blenders and threshold rules compete: a YAML of configs/stacks (make stack, compare, without)
#: SET      "train.epochs=2 size=128": changes to the experiment (make fold-K, model, models)
#: WORKERS  folds trained, or stacks fitted, side by side (default: one a GPU, else one a core)
#: ID       an image, whose neighbours are shown (make neighbours)
#: QUICK    1: one fold of drawn images at small size (make paper)
#: DATA     a folder in Kaggle's layout (make data, competition)
#: FILE     a submission (make submit, score, overlay), several (make vote) or a fold map (make folds)
#: HOLDOUT  share of the images that no fold gets, e.g. 0.1 (make folds; default: what the competition's YAML says)
#: MESSAGE  what Kaggle shows beside the submission (make submit)
#: VAL      predictions of the train table's rows made elsewhere: .npy, .csv or .parquet (make import)
#: TEST     predictions of the test images made elsewhere, or a submission, which then votes (make import)
#: IDS      ids of the rows of VAL, one a line (make import; default: the order of the train table)
#: TEST_IDS ids of the rows of TEST, one a line (make import; default: the order of the sample submission)
#: LOGITS   1: VAL and TEST hold logits, not probabilities (make import)
#: DECLARE  holdout or oof: why the imported models never trained on the rows of VAL (default: holdout)
#: LABELS   a table of true labels: to score against (make score; default: the practice competition's sealed ones) or to lay over (make overlay)
#: AT_LEAST how many files a label needs (make vote; default: half of them)

setup: $(READY) ## a .venv with everything the other targets need
$(READY): pyproject.toml constraints.txt
	@[ -n "$(SETUP_PYTHON)" ] || { echo "error: there is no Python 3.11 or newer here: install one, or say where: make setup SETUP_PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(SETUP_PYTHON) -m venv --clear .venv
	@echo "installing into .venv (several GB, minutes)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,faiss,keras]'
	@touch $(READY)

practice: $(READY) ## the whole job on a drawn competition: draw, train, stack, score, and what neighbours are worth
	@$(MAKE) --no-print-directory data models stack score COMP=practice
	@$(MAKE) --no-print-directory without COMP=practice MODEL=arcface-efficientnet-lite0

data: $(READY) ## draw, download (COMP=hpa) or take (DATA=dir) a competition's tables and images, and check them
	@$(RUN)data --competition "$$COMP" $(call given,DATA,--data)

competition: $(READY) ## describe any folder in Kaggle's layout: COMP=name DATA=dir
	@$(RUN)competition --competition "$$COMP" $(call given,DATA,--data)

folds: $(READY) ## the fold map and its balance table
	@$(RUN)folds --competition "$$COMP" $(call given,FILE,--file) $(call given,HOLDOUT,--holdout)

gallery: $(READY) ## a picture of what every channel recipe makes of some images
	@$(RUN)gallery --competition "$$COMP"

fold-%: $(READY) ## train fold K of MODEL (default: densenet121)
	@$(RUN)fold --competition "$$COMP" --model "$${MODEL:-densenet121}" --fold '$*' $(call given,SET,--set)

model: $(READY) ## train all folds of MODEL (default: densenet121)
	@$(RUN)models --competition "$$COMP" --models "$${MODEL:-densenet121}" $(call given,SET,--set) $(call given,WORKERS,--workers)

models: $(READY) ## train all folds of MODELS (default: those the competition lists)
	@$(RUN)models --competition "$$COMP" $(if $(MODELS),--models $$MODELS) $(call given,SET,--set) $(call given,WORKERS,--workers)

stack: $(READY) ## blend all complete models, prove it on unseen rows, write the submission
	@$(RUN)stack --competition "$$COMP" $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack) $(call given,WORKERS,--workers)

vote: $(READY) ## majority vote over label files: MODELS="a b" brought by make import, FILE="c.csv d.csv"
	@$(RUN)vote --competition "$$COMP" $(if $(MODELS),--models $$MODELS) $(if $(FILE),--file $$FILE) $(call given,AT_LEAST,--at-least)

overlay: $(READY) ## labels known from elsewhere (LABELS) over the newest submission (or FILE)
	@$(RUN)overlay --competition "$$COMP" $(call given,FILE,--file) $(call given,LABELS,--labels)

submit: $(READY) ## check the newest submission (or FILE) and hand it to Kaggle's client
	@$(RUN)submit --competition "$$COMP" $(call given,FILE,--file) $(call given,MESSAGE,--message)

score: $(READY) ## what the sealed labels (or LABELS) say of the newest submission (or FILE)
	@$(RUN)score --competition "$$COMP" $(call given,FILE,--file) $(call given,LABELS,--labels)

import: $(READY) ## bring predictions made elsewhere: MODEL=name VAL=file TEST=file; or labels alone: TEST=submission.csv
	@$(RUN)importing --competition "$$COMP" $(call given,MODEL,--model) $(call given,VAL,--val) $(call given,TEST,--test) $(call given,IDS,--ids) $(call given,TEST_IDS,--test-ids) $(if $(filter-out 0,$(LOGITS)),--logits) $(if $(VAL),--declare "$$DECLARE")

rare: $(READY) ## label counts with copies of rare labels (MODEL), and what these do to recall: MODELS="plain with-copies"
	@$(RUN)rare --competition "$$COMP" $(if $(MODELS)$(MODEL),--models $${MODELS:-$$MODEL})

neighbours: $(READY) ## what the nearest images say, by MODELS that embed: how well they predict, what looks wrong; with ID=... a picture
	@$(RUN)neighbours --competition "$$COMP" $(if $(MODELS)$(MODEL),--models $${MODELS:-$$MODEL}) $(call given,ID,--id)

compare: $(READY) ## stacks beside each other, the first against the others: MODELS="a+b a b"
	@$(RUN)compare --competition "$$COMP" --models $$MODELS $(call given,STACK,--stack)

without: $(READY) ## what MODEL is worth: the stack with it and without it
	@$(RUN)without --competition "$$COMP" --model "$$MODEL" $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack)

paper: $(READY) ## the article's systems, trained where they are missing, beside what it reports (QUICK=1: in a quarter of an hour)
	@$(RUN)paper $(if $(filter-out 0,$(QUICK)),--quick,--competition "$$COMP") $(call given,WORKERS,--workers)

bench: $(READY) ## measure training, cache, folds, thresholds and stacking against their limits and peers (about half an hour)
	@$(RUN)bench

bench-stack: $(READY) ## our stack (STACK) against the tools people use, on the same folds of COMP's prediction files
	@$(MAKE) --no-print-directory $(PEERS) || echo "AutoGluon could not be installed; the table will do without it" >&2
	@$(RUN)bench_stack --competition "$$COMP" $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack)
$(PEERS): pipelines/benchmarks/peers/autogluon.txt
	@echo "installing AutoGluon's selection into .venv-peers (400 MB)"
	@$(PYTHON) -m venv --clear .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $(PEERS)

check: $(READY) ## ruff, mypy, import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet . || { echo "error: not formatted: .venv/bin/ruff format ." >&2; exit 1; }
	@.venv/bin/mypy
	@.venv/bin/lint-imports

test: $(READY) ## the tests
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest
