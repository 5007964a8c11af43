# Image, SBOM and source tarball.
IMAGE    ?= backstop:$(VERSION)
DOCKER   ?= docker
DIST     := build/dist

.PHONY: image image-test sbom
image: ## Build the container image (IMAGE=backstop:VERSION)
	hack/image.sh $(IMAGE) $(VERSION)

image-test: ## Build it twice, compare, look inside, run it under the tightest flags and in the chart's pods (IMAGE_TEST_ARGS=--help)
	tests/image/run.py --image $(IMAGE) --version $(VERSION) $(IMAGE_TEST_ARGS)

sbom: ## SPDX of the image's files: build/dist/backstop-VERSION.spdx.json
	@mkdir -p $(DIST)
	$(DOCKER) save $(IMAGE) | hack/sbom.py make --version $(VERSION) >$(DIST)/backstop-$(VERSION).spdx.json
	$(DOCKER) save $(IMAGE) | hack/sbom.py check $(DIST)/backstop-$(VERSION).spdx.json

# ---- what is published -----------------------------------------------------------
.PHONY: release release-test release-verify arm64-test workflow-test
release: ## build/dist: sources, chart, image, Debian packages, plugin, SBOM, provenance, sums (docs/releasing.md)
	@hack/install-deps.sh release
	hack/release.sh $(VERSION) $(DIST) $(ARCHES)

release-verify: ## Whether the files in build/dist are what they say, and signed (DIR=..., KEY=the public key)
	hack/release_files.py verify $(or $(DIR),$(DIST)) $(KEY)

release-test: ## Make them twice and compare; verify, tamper, push to a registry, install, run
	hack/release-test.sh $(VERSION)

arm64-test: $(BUILD)/backstop ## The arm64 binary of build/dist answers every recorded review, under qemu
	tests/arm64/run.py $(or $(DIR),$(DIST))/backstop-image-$(VERSION).oci.tar $(BUILD)/backstop

workflow-test: ## The release workflow's steps in a container, as GitHub's runner has them (WORKFLOW_ARGS=--help; half an hour)
	tests/image/workflow.py $(WORKFLOW_ARGS)

# ---- source tarball: the commit's files, dated as the commit ------------------
.PHONY: dist dist-check
dist: ## Source tarball of the commit: build/dist/backstop-VERSION.tar.gz
	@git diff --quiet HEAD || { echo "dist: commit your changes first" >&2; exit 1; }
	@mkdir -p $(DIST)
	git archive --prefix=backstop-$(VERSION)/ HEAD | gzip -9n >$(DIST)/backstop-$(VERSION).tar.gz

dist-check: dist ## Unpack it, build it, test it, make it again
	hack/dist-check.sh $(DIST)/backstop-$(VERSION).tar.gz
