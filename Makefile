# Every target is one module of pipelines/, which can be run directly: .venv/bin/python -m pipelines.fold --help
-include local.mk

COMP ?= practice
DECLARE ?= holdout
AS :=  # make and some environments have variables of these names; only what is typed counts
KEEP :=
OUT :=
BATCH :=
CACHE :=
ENGINE :=
SOURCE :=
EXTRA :=
BELOW :=
TARGET :=
SHIP :=
SETUP_PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell $(name) -c 'import sys; print("$(name)" * (sys.version_info >= (3, 11)))' 2>/dev/null)))
OWN := .venv/.ready
PEERS := .venv-peers/.ready
# The Python of the commands: PYTHON, if it is typed or in local.mk; else .venv, once it is made; else an activated environment; else .venv.
ACTIVATED := $(if $(wildcard $(OWN)),,$(or $(VIRTUAL_ENV),$(if $(filter-out base,$(CONDA_DEFAULT_ENV)),$(CONDA_PREFIX))))
GIVEN := $(filter command file,$(firstword $(origin PYTHON)))
ifeq ($(GIVEN)$(ACTIVATED),)
PYTHON := .venv/bin/python
READY := $(OWN)
else
ifeq ($(GIVEN),)
PYTHON := $(ACTIVATED)/bin/python
endif
READY := given_python
endif
RUN := "$$PYTHON" -m pipelines.
# Values reach the shell through the environment, so no quote in them can break a line. Dollars and stars in them stay what they are.
VALUES := PYTHON COMP MODEL MODELS STACK SET WORKERS DATA FILE MESSAGE VAL TEST IDS TEST_IDS LOGITS DECLARE LABELS AT_LEAST HOLDOUT QUICK DETAILS ID AS RETRAIN RESTART KEEP OUT BATCH CACHE ENGINE SHIP STAINS DIAMETER CROPS MASKS SEGMENTER SOURCE EXTRA BELOW TARGET
export $(VALUES) SETUP_PYTHON
typed = $(filter command environment,$(firstword $(origin $(1))))
taken = $(eval override $(1) := $$(subst $$$$$$$$,$$$$,$$(value $(1))))
$(foreach name,$(VALUES),$(if $(call typed,$(name)),$(call taken,$(name))))
train_options = $(call given,SET,--set) $(call given,AS,--as) $(if $(filter-out 0,$(RETRAIN)),--retrain) $(if $(filter-out 0,$(RESTART)),--restart) $(if $(filter 0,$(KEEP)),--no-keep)
engine_options = $(call given,ENGINE,--engine) $(if $(filter-out 0,$(SHIP)),--ship)
given = $(if $($(1)),$(2)="$$$(1)")
.SHELLFLAGS := -fc
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help given_python setup_refused setup data competition folds gallery synthesize plan model models slurm stack vote overlay submit import score practice predict rare runs package neighbours channels fill compare ablate article cells score-cells segmenter bench bench-stack studies faults check test

help: ## this list
	@echo "Targets:"
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {sub("%", "K", $$1); printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "Variables (COMP = $$COMP):"
	@awk '/^#: / {name = $$2; sub("^#: [A-Z_]+ +", ""); printf "  %-17s %s\n", name, $$0}' Makefile

#: COMP     competition: a YAML of configs/competitions or configs/local, "a b c" for make bench-stack (a line COMP = hpa in local.mk changes the default)
#: MODEL    one model: a YAML of configs/models (make fold-K, model, plan, slurm, import, rare, channels, fill, ablate; with SOURCE=recombined: make synthesize)
#: MODELS   "a b c": models to train (default: those the competition lists), stack (default: all complete ones), list (make runs), average on new images (make predict, package) or let vote; "a+b a b": stacks to compare
#: STACK    which blenders and threshold rules compete: a YAML of configs/stacks (make stack, compare, ablate), one or several (make bench-stack); a finished stack (make predict, package)
#: SET      "train.epochs=2 size=128": changes to the experiment (make fold-K, model, models, plan, slurm)
#: AS       a name for the model with its changes, which gets a YAML of its own (make fold-K, model, slurm)
#: RETRAIN  1: replace finished predictions that were made with other settings or data (make fold-K, model, models, slurm)
#: RESTART  1: give up a checkpoint that was made with other settings, data or versions (make fold-K, model, models, slurm)
#: KEEP     0: keep no network weights; they take less disk, and make predict cannot use the model (make fold-K, model, models, plan, slurm)
#: SOURCE   painter or recombined: what draws synthetic images (make synthesize; default: painter)
#: EXTRA    the name of the set of extra rows (make synthesize; default: painted or recombined)
#: BELOW    a label with fewer train images is rare (make synthesize; default: 20)
#: TARGET   how many images a rare label comes up to, synthetic ones included (make synthesize; default: 40)
#: WORKERS  folds trained, or fits of a stack, in parallel (default: one per GPU, else one per core)
#: ENGINE   where folds are trained: local (default: this machine) or ray (the cluster that RAY_ADDRESS names, else a Ray on this machine) (make model, models)
#: SHIP     1: with ENGINE=ray, copy what a fold needs to the node's own disk, even if the node sees this folder (make model, models)
#: ID       the image to show the neighbours of (make neighbours)
#: DETAILS  1: print the full tables too (make stack)
#: QUICK    1: one fold of small synthetic images (make article)
#: DATA     a folder in Kaggle's layout (make data, competition); a folder of new images, or a CSV of ids (make predict); a folder of images (make cells, score-cells, segmenter), that lack channels (make fill) or have all (make channels)
#: CACHE    raw or compressed: the form of the image cache (make data; default: as it is, and by the free disk and memory for a new one)
#: OUT      the CSV for the labels of new images (make predict; default: in submissions/<competition>/predict), or the folder (make package; default: packages/<competition>/<stack>; make cells), or the file (make segmenter), or a new folder for drawn channels (make fill)
#: STAINS   "nuclei=dapi microtubules=tub": which channel shows which stain (make cells, score-cells, segmenter; default: nuclei=blue microtubules=red reticulum=yellow)
#: DIAMETER of nuclei in pixels (make cells; default: measured in each image)
#: CROPS    1: write a picture of each cell (make cells)
#: MASKS    a folder of true masks (make score-cells; default: beside the images)
#: SEGMENTER another trained segmenter (make cells, score-cells, synthesize; default: the one in the package), or one to go on with (make segmenter)
#: BATCH    images that are predicted at once (make predict; default: twice the batch size of training)
#: FILE     a submission (make submit, score, overlay), several (make vote) or a fold map (make folds)
#: HOLDOUT  share of the images to keep out of all folds, e.g. 0.1 (make folds; default: from the competition's YAML)
#: MESSAGE  the text Kaggle shows next to the submission (make submit)
#: VAL      predictions of the train table's rows made elsewhere: .npy, .csv or .parquet (make import)
#: TEST     predictions of the test images made elsewhere, or a submission that can only vote (make import)
#: IDS      ids of the rows of VAL, one per line (make import; default: the order of the train table)
#: TEST_IDS ids of the rows of TEST, one per line (make import; default: the order of the sample submission)
#: LOGITS   1: VAL and TEST hold logits, not probabilities (make import)
#: DECLARE  holdout or oof: why the imported models never trained on the rows of VAL (default: holdout)
#: LABELS   a table of true labels: to score against (make score; default: the practice competition's hidden labels) or to write over a submission (make overlay)
#: AT_LEAST how many files must agree on a label (make vote; default: half of them)
#: PYTHON   the Python that runs the commands, as it is: nothing is installed (default: .venv; before it is made, an activated environment)
#: SETUP_PYTHON the Python that makes .venv (make setup)

given_python:
	@command -v "$$PYTHON" >/dev/null || { echo "error: there is no program '$$PYTHON': PYTHON is the name or the path of one Python, as in PYTHON=python3" >&2; exit 2; }

setup_refused:
	@echo "error: PYTHON is used as it is, and make setup makes .venv: leave out PYTHON, or name the Python that makes .venv: make setup SETUP_PYTHON=..." >&2; exit 2

setup: $(if $(filter command,$(GIVEN)),setup_refused,$(OWN)) ## a .venv with everything the other targets need
$(OWN): pyproject.toml constraints.txt
	@[ -n "$$SETUP_PYTHON" ] || { echo "error: there is no Python 3.11 or newer here: install one, or say where: make setup SETUP_PYTHON=..." >&2; exit 2; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $$SETUP_PYTHON -m venv --clear .venv
	@echo "installing into .venv (several GB, minutes)"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,cma,faiss,keras,ray]'
	@touch $(OWN)

practice: $(READY) ## everything on a synthetic competition: generate it, train, stack, score
	@$(MAKE) --no-print-directory data models stack score COMP=practice
	@$(RUN)practice --competition practice --model arcface-efficientnet-lite0

data: $(READY) ## generate, download (COMP=hpa) or link (DATA=dir) a competition's tables and images, and check them
	@$(RUN)data --competition="$$COMP" $(call given,DATA,--data) $(call given,CACHE,--cache)

competition: $(READY) ## write the YAML of any folder in Kaggle's layout: COMP=name DATA=dir
	@$(RUN)competition --competition="$$COMP" $(call given,DATA,--data)

folds: $(READY) ## make the fold map and print its balance table
	@$(RUN)folds --competition="$$COMP" $(call given,FILE,--file) $(call given,HOLDOUT,--holdout)

gallery: $(READY) ## draw some images as each channel recipe shows them to a network
	@$(RUN)gallery --competition="$$COMP"

synthesize: $(READY) ## synthetic images of rare labels as extra rows, which `extra: NAME` in a model's YAML takes; and a contact sheet
	@$(RUN)synthesize --competition="$$COMP" $(call given,SOURCE,--source) $(call given,EXTRA,--name) $(call given,BELOW,--below) $(call given,TARGET,--target) $(call given,MODEL,--model) $(call given,SEGMENTER,--segmenter) $(call given,WORKERS,--workers)

plan: $(READY) ## hours, disk and memory that MODEL will take, from a few steps on this machine
	@$(RUN)plan --competition="$$COMP" --model="$${MODEL:-densenet121}" $(call given,SET,--set) $(call given,WORKERS,--workers) $(if $(filter 0,$(KEEP)),--no-keep)

fold-%: export override FOLD = $*
fold-%: $(READY) ## train fold K of MODEL (default: densenet121)
	@$(RUN)fold --competition="$$COMP" --model="$${MODEL:-densenet121}" --fold="$$FOLD" $(train_options)

model: $(READY) ## train all folds of MODEL (default: densenet121)
	@$(RUN)models --competition="$$COMP" --models "$${MODEL:-densenet121}" $(train_options) $(call given,WORKERS,--workers) $(engine_options)

models: $(READY) ## train all folds of MODELS (default: those the competition lists)
	@$(RUN)models --competition="$$COMP" $(if $(MODELS),--models $$MODELS) $(train_options) $(call given,WORKERS,--workers) $(engine_options)

slurm: $(READY) ## print a job array for Slurm that trains all folds of MODEL (default: densenet121)
	@$(RUN)slurm --competition="$$COMP" --model="$${MODEL:-densenet121}" $(train_options)

stack: $(READY) ## blend all complete models, evaluate the blend by nested cross-validation, write the submission
	@$(RUN)stack --competition="$$COMP" $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack) $(call given,WORKERS,--workers) $(if $(filter-out 0,$(DETAILS)),--details)

predict: $(READY) ## label new images with a finished STACK or the mean of MODELS: DATA=dir or ids.csv
	@$(RUN)predict --competition="$$COMP" $(call given,DATA,--data) $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack) $(call given,OUT,--out) $(call given,BATCH,--batch)

package: $(READY) ## a folder that predicts without this repository, for Kaggle's code competitions: a finished STACK or the mean of MODELS
	@$(RUN)package --competition="$$COMP" $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack) $(call given,OUT,--out)

vote: $(READY) ## majority vote of label files: MODELS="a b" imported by make import, FILE="c.csv d.csv"
	@$(RUN)vote --competition="$$COMP" $(if $(MODELS),--models $$MODELS) $(if $(FILE),--file $$FILE) $(call given,AT_LEAST,--at-least)

overlay: $(READY) ## write labels known from elsewhere (LABELS) over the newest submission (or FILE)
	@$(RUN)overlay --competition="$$COMP" $(call given,FILE,--file) $(call given,LABELS,--labels)

submit: $(READY) ## check the newest submission (or FILE) and send it with Kaggle's client
	@$(RUN)submit --competition="$$COMP" $(call given,FILE,--file) $(call given,MESSAGE,--message)

score: $(READY) ## score the newest submission (or FILE) against the hidden labels of the practice competition (or LABELS)
	@$(RUN)score --competition="$$COMP" $(call given,FILE,--file) $(call given,LABELS,--labels)

import: $(READY) ## import predictions made elsewhere: MODEL=name VAL=file TEST=file; or labels only: TEST=submission.csv
	@$(RUN)importing --competition="$$COMP" $(call given,MODEL,--model) $(call given,VAL,--val) $(call given,TEST,--test) $(call given,IDS,--ids) $(call given,TEST_IDS,--test-ids) $(if $(filter-out 0,$(LOGITS)),--logits) $(if $(VAL),--declare="$$DECLARE")

rare: $(READY) ## label counts with copies of images with rare labels (MODEL), and their effect on recall: MODELS="plain with-copies"
	@$(RUN)rare --competition="$$COMP" $(if $(MODELS)$(MODEL),--models $${MODELS:-$$MODEL})

runs: $(READY) ## list all runs: scores, hours, device, settings, how far unfinished ones are; MODELS="a b": what differs between two
	@$(RUN)runs --competition="$$COMP" $(if $(MODELS),--models $$MODELS)

neighbours: $(READY) ## report on nearest neighbours by MODELS with embeddings: scores, suspicious labels; ID=... draws those of one image
	@$(RUN)neighbours --competition="$$COMP" $(if $(MODELS)$(MODEL),--models $${MODELS:-$$MODEL}) $(call given,ID,--id)

channels: $(READY) ## how well MODEL (default: channels-unet) draws missing channels of held-out images or those of DATA, beside two baselines
	@$(RUN)channels --competition="$$COMP" $(call given,MODEL,--model) $(call given,DATA,--data)

fill: $(READY) ## draw the channels that images of a folder lack, by MODEL (default: channels-unet): DATA=dir OUT=new-dir
	@$(RUN)fill --competition="$$COMP" $(call given,MODEL,--model) $(call given,DATA,--data) $(call given,OUT,--out)

compare: $(READY) ## compare stacks on the same rows, the first with each of the others: MODELS="a+b a b"
	@$(RUN)compare --competition="$$COMP" --models $$MODELS $(call given,STACK,--stack)

ablate: $(READY) ## compare the stack with MODEL and without it
	@$(RUN)ablate --competition="$$COMP" --model="$$MODEL" $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack)

article: $(READY) ## train the article's networks and compare their scores with the article's (QUICK=1: in a quarter of an hour)
	@$(RUN)article $(if $(filter-out 0,$(QUICK)),--quick,--competition="$$COMP") $(call given,WORKERS,--workers)

cells: $(READY) ## segment the nuclei and cells of all images in a folder (DATA=dir OUT=dir), or of a competition
	@$(RUN)cells --competition="$$COMP" $(call given,DATA,--data) $(call given,OUT,--out) $(call given,STAINS,--stains) $(call given,DIAMETER,--diameter) $(call given,SEGMENTER,--segmenter) $(if $(filter-out 0,$(CROPS)),--crops) $(call given,WORKERS,--workers)

score-cells: $(READY) ## score the segmenter on images with true masks: DATA=dir, MASKS=dir
	@$(RUN)score_cells --competition="$$COMP" $(call given,DATA,--data) $(call given,MASKS,--masks) $(call given,STAINS,--stains) $(call given,SEGMENTER,--segmenter)

segmenter: $(READY) ## train the segmenter on images with true masks and painted fields: DATA=dir OUT=file SEGMENTER=file
	@$(RUN)segmenter --competition="$$COMP" $(call given,DATA,--data) $(call given,OUT,--out) $(call given,STAINS,--stains) $(call given,SEGMENTER,--segmenter)

bench: $(READY) ## measure speed against the hardware's limits and other tools (about an hour)
	@"$$PYTHON" -m tests.benchmarks

bench-stack: $(READY) ## compare our stacks with other tools on the folds of COMP's prediction files: one or several of COMP, one or several of STACK
	@$(if $(GIVEN)$(ACTIVATED),[ -f $(PEERS) ],$(MAKE) --no-print-directory $(PEERS)) || echo "AutoGluon and xCOLUMNs are not installed; the table is printed without them" >&2
	@"$$PYTHON" -m tests.benchmarks.stack_contest --competition="$$COMP" $(if $(MODELS),--models $$MODELS) $(call given,STACK,--stack) $(call given,WORKERS,--workers)
$(PEERS): tests/benchmarks/peers/environment.txt
	@echo "installing AutoGluon and xCOLUMNs into .venv-peers (600 MB)"
	@"$$PYTHON" -m venv --clear .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $(PEERS)

faults: $(READY) ## inject hundreds of faults: damaged files, full disks, kills, hostile values (half an hour on two cores)
	@"$$PYTHON" -m tests.faults

check: $(READY) ## ruff, mypy, import-linter
	@"$$PYTHON" -m ruff check .
	@"$$PYTHON" -m ruff format --check --quiet . || { echo "error: not formatted: $$PYTHON -m ruff format ." >&2; exit 1; }
	@"$$PYTHON" -m mypy
	@"$$PYTHON" -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

test: $(READY) ## the tests, with the simulation studies at small size
	@OMP_NUM_THREADS=1 "$$PYTHON" -m pytest

studies: $(READY) ## the simulation studies at full size: nested scores against the truth (ten minutes on two cores)
	@OMP_NUM_THREADS=1 "$$PYTHON" -m pytest -m study tests/studies
