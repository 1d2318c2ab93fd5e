# Every target passes its variables on to one module of jobs/. Paths may hold spaces.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= cpu
OUT ?= submission.csv
FORMAT ?= label
SHARED ?= ../shared
export SHARED

.DEFAULT_GOAL := help
.PHONY: help setup data train evaluate submit score rounds describe report verify bench test test-faults test-browser lint check clean clean-features

empty :=
space := $(empty) $(empty)
comma := ,
quote = '$(subst ','\'',$(1))'
option = $(if $(2),$(1) $(call quote,$(2)))
extras_of = $(subst $(space),$(comma),$(sort $(subst $(comma),$(space),$(1))))
stamp_of = $(VENV)/installed-$(subst $(comma),-,$(call extras_of,$(1)))
PY = $(VENV)/bin/python
S3_SERVER = $(VENV)/s3-server/installed

help:  ## list the targets
	@echo "Pawscore: from a folder of pictures to a Kaggle submission. make submit is all you need to begin."
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do printf '  %-14s %s\n' "$$name" "$$what"; done
	@echo "Variables: DATA RUN IMAGES OUT BACKBONE WEIGHTS RECIPE EPOCHS FORMAT TTA SEED ARCHIVE SOURCE (and others: README.md)"

setup: $(call stamp_of,$(EXTRAS))  ## install what is needed into .venv (EXTRAS="cpu kaggle" for more)

$(VENV)/installed-%: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "Error: Python 3.11 to 3.13 is needed, '$(PYTHON)' is another; name one: make setup PYTHON=python3.12" >&2; exit 2; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (extras: $(subst -,$(comma) ,$*); some minutes, once) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[$(subst -,$(comma),$*)]'
	@touch $@

# The server of the tests of object stores needs older versions of what Pawscore uses: an environment of its own.
$(S3_SERVER): tests/s3-server.txt
	@$(PYTHON) -m venv $(@D)
	@echo "Installing the tests' S3 server into $(@D) (half a minute, once) ..."
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/s3-server.txt
	@touch $@

data: setup  ## unpack, download or draw pictures: ARCHIVE=file-or-folder or SOURCE=kaggle|microsoft|sample, DATA=folder
	@$(PY) -m jobs.data $(call option,--to,$(DATA)) $(call option,--archive,$(ARCHIVE)) $(call option,--source,$(SOURCE)) \
	  $(call option,--seed,$(SEED)) $(call option,--competition,$(COMPETITION))

TRAIN = $(PY) -m jobs.train $(call option,--data,$(DATA)) $(call option,--run,$(RUN)) $(call option,--backbone,$(BACKBONE)) \
  $(call option,--weights,$(WEIGHTS)) $(call option,--recipe,$(RECIPE)) $(call option,--epochs,$(EPOCHS)) \
  $(call option,--patience,$(PATIENCE)) $(call option,--exclude,$(EXCLUDE)) $(call option,--split,$(SPLIT)) $(call option,--seed,$(SEED)) \
  $(call option,--engine,$(ENGINE)) $(call option,--precision,$(PRECISION)) $(call option,--features-limit,$(FEATURES_LIMIT)) \
  $(if $(FRESH_HEAD),--fresh-head) $(if $(ALL_DATA),--all-data)

train: setup  ## train a run: DATA RUN BACKBONE=vgg16 WEIGHTS=imagenet RECIPE=head|finetune|scratch|zero-shot EPOCHS SPLIT SEED
	@$(TRAIN)

evaluate: setup  ## accuracy, log loss and the worst pictures of RUN, on its test part or on labelled IMAGES
	@$(PY) -m jobs.evaluate $(call option,--run,$(RUN)) $(call option,--images,$(IMAGES)) $(call option,--tta,$(TTA)) \
	  $(call option,--json,$(JSON))

# Pictures that a person named are never scored by a run trained on the sample: with IMAGES alone nothing is trained.
submit: setup  ## score IMAGES (or DATA/test1) with RUN into OUT: FORMAT=label|probability TTA=none|flip|crops
	@$(if $(DATA),$(TRAIN) --if-missing,$(if $(IMAGES)$(RUN),,$(TRAIN) --if-missing))
	@$(PY) -m jobs.submit $(call option,--run,$(RUN)) $(call option,--images,$(IMAGES)) $(call option,--data,$(DATA)) \
	  $(call option,--backbone,$(BACKBONE)) $(call option,--recipe,$(RECIPE)) \
	  $(call option,--out,$(OUT)) $(call option,--format,$(FORMAT)) $(call option,--tta,$(TTA)) \
	  $(call option,--sample-submission,$(SAMPLE_SUBMISSION)) $(call option,--fill,$(FILL)) $(call option,--megapixels,$(MEGAPIXELS)) $(if $(OVERWRITE),--overwrite)

score: setup  ## score what is new in IMAGES with RUN, write OUT of all that is there: LEDGER TTA FORMAT SETTLE WATCH MAX_REJECT_SHARE
	@$(PY) -m jobs.score $(call option,--run,$(RUN)) $(call option,--images,$(IMAGES)) $(call option,--out,$(OUT)) \
	  $(call option,--ledger,$(LEDGER)) $(call option,--format,$(FORMAT)) $(call option,--tta,$(TTA)) $(if $(COLUMNS),--columns) \
	  $(call option,--include,$(INCLUDE)) $(call option,--exclude,$(EXCLUDE)) $(call option,--limit,$(LIMIT)) $(if $(DRY_RUN),--dry-run) \
	  $(call option,--settle,$(SETTLE)) $(call option,--watch,$(WATCH)) $(call option,--max-reject-share,$(MAX_REJECT_SHARE)) \
	  $(call option,--min-files,$(MIN_FILES)) $(if $(FAIL_ON_DRIFT),--fail-on-drift) $(call option,--log,$(LOG)) \
	  $(call option,--metrics,$(METRICS)) $(call option,--megapixels,$(MEGAPIXELS))

rounds: setup  ## the last scheduled rounds of RUN (or LEDGER); PRUNE=DAYS deletes old rows of the ledger instead
	@$(PY) -m jobs.rounds $(call option,--run,$(RUN)) $(call option,--ledger,$(LEDGER)) $(call option,--last,$(LAST)) \
	  $(call option,--prune,$(PRUNE))

describe: setup  ## what is in the picture IMAGE, by ImageNet's 1000 classes: BACKBONE WEIGHTS CLASS_INDEX JSON=1
	@$(PY) -m jobs.describe $(if $(IMAGE),$(call quote,$(IMAGE))) $(call option,--backbone,$(BACKBONE)) $(call option,--weights,$(WEIGHTS)) \
	  $(call option,--class-index,$(CLASS_INDEX)) $(if $(JSON),--json)

report: setup  ## write the page of RUN: runs/RUN/report.html
	@$(PY) -m jobs.report $(call option,--run,$(RUN))

verify: setup  ## check a published OUT against its manifest
	@$(PY) -m jobs.verify $(call quote,$(OUT))

bench: $(call stamp_of,$(EXTRAS))  ## measure speed and memory beside others, write docs/performance.md: PHOTOS PICTURES ROUNDS FILES TRAINING (EXTRAS="cpu bench")
	@$(PY) -m jobs.bench $(call option,--photos,$(PHOTOS)) $(call option,--pictures,$(PICTURES)) $(call option,--rounds,$(ROUNDS)) \
	  $(call option,--backbone,$(BACKBONE)) $(call option,--memory,$(FILES)) $(call option,--training,$(TRAINING))

# Two processes, since much of a test's time is one thread's: starts of TensorFlow. A file's tests share what they set up.
SIDE_BY_SIDE = -n 2 --dist loadfile
test: $(call stamp_of,$(EXTRAS) dev) $(S3_SERVER)  ## run the tests
	@$(PY) -m pytest -q $(SIDE_BY_SIDE)

test-faults: $(call stamp_of,$(EXTRAS) dev deploy) $(S3_SERVER)  ## run the slow tests that kill, starve and fuzz
	@$(PY) -m pytest -q -m 'faults or slow'

# Debian's browser, where there is none: elsewhere the tests say that they were skipped, and why.
BROWSERS = chromium chromium-browser google-chrome google-chrome-stable
test-browser: $(call stamp_of,$(EXTRAS) dev browser)  ## test the pages in a headless Chromium, installed here where apt-get can
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; test -z "$$CHROMIUM" || exit 0; \
	  command -v apt-get >/dev/null || { echo "No Chromium or Chrome, and no apt-get to install one."; exit 0; }; \
	  as=; test "$$(id -u)" = 0 || as="sudo -n"; \
	  echo "Installing Debian's chromium for the tests of pages ..."; \
	  { $$as apt-get update && DEBIAN_FRONTEND=noninteractive $$as apt-get install --yes --no-install-recommends chromium; } \
	    >$(VENV)/chromium.log 2>&1 || echo "chromium could not be installed (see $(VENV)/chromium.log)."
	@$(PY) -m pytest -q -m browser

lint: $(call stamp_of,$(EXTRAS) dev)  ## ruff and mypy
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

check: lint test test-faults test-browser  ## everything that must pass before a change lands

clean:  ## remove .venv and what tools left behind; data, runs, caches and submissions stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

clean-features:  ## remove the features that trainings keep in cache/features; they are computed again when needed
	rm -rf cache/features
