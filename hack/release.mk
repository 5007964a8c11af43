# Image, SBOM and source tarball.
IMAGE    ?= backstop:$(VERSION)
DOCKER   ?= docker
DIST     := build/dist

.PHONY: image image-test sbom
image: ## Build the container image (IMAGE=backstop:VERSION)
	hack/image.sh $(IMAGE) $(VERSION)

image-test: ## Build it twice, compare, look inside, run it under the tightest flags (IMAGE_TEST_ARGS=--help)
	tests/image/run.py --image $(IMAGE) --version $(VERSION) $(IMAGE_TEST_ARGS)

sbom: ## SPDX of the image's files: build/dist/backstop-VERSION.spdx.json
	@mkdir -p $(DIST)
	$(DOCKER) save $(IMAGE) | hack/sbom.py make --version $(VERSION) >$(DIST)/backstop-$(VERSION).spdx.json
	$(DOCKER) save $(IMAGE) | hack/sbom.py check $(DIST)/backstop-$(VERSION).spdx.json

# ---- what is published -----------------------------------------------------------
.PHONY: release release-test
release: dist $(BUILD)/backstop ## build/dist: source tarball, chart package, Debian package, SHA256SUMS; the same bytes each time
	hack/release.sh $(VERSION) $(BUILD)/backstop $(DIST)

release-test: $(BUILD)/backstop ## Make them twice and compare; render the chart, run the Debian package's binary
	hack/release-test.sh $(VERSION) $(BUILD)/backstop

# ---- source tarball: the commit's files, dated as the commit ------------------
.PHONY: dist dist-check
dist: ## Source tarball of the commit: build/dist/backstop-VERSION.tar.gz
	@git diff --quiet HEAD || { echo "dist: commit your changes first" >&2; exit 1; }
	@mkdir -p $(DIST)
	git archive --prefix=backstop-$(VERSION)/ HEAD | gzip -9n >$(DIST)/backstop-$(VERSION).tar.gz

dist-check: dist ## Unpack it, build it, test it, make it again
	hack/dist-check.sh $(DIST)/backstop-$(VERSION).tar.gz
