# Image, SBOM and source tarball (docs/releasing.md).
IMAGE    ?= backstop:$(VERSION)
DOCKER   ?= docker
DIST     := build/dist

.PHONY: image image-test sbom
image: ## Build the container image (IMAGE=backstop:VERSION)
	hack/image.sh $(IMAGE) $(VERSION)

image-test: ## Build it twice, compare, look inside, run it under the tightest flags
	tests/image/run.py --image $(IMAGE) --version $(VERSION)

sbom: ## SPDX of the image's files: build/dist/backstop-VERSION.spdx.json
	@mkdir -p $(DIST)
	$(DOCKER) save $(IMAGE) | hack/sbom.py make --version $(VERSION) >$(DIST)/backstop-$(VERSION).spdx.json
	$(DOCKER) save $(IMAGE) | hack/sbom.py check $(DIST)/backstop-$(VERSION).spdx.json
