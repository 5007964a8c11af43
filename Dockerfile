# `make image` builds it; `make image-test` proves what is said here. The last stage holds the binary, the few libraries
# that are not linked into it, time zones and CA certificates (hack/image-rootfs.sh): no shell, no package manager.
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY hack/install-deps.sh hack/slim-curl.sh hack/
RUN hack/install-deps.sh build static && hack/slim-curl.sh --check && hack/slim-curl.sh && rm -rf /var/lib/apt/lists/*
COPY . .
# Everything dated is dated so; the same sources, base and packages then make the same files.
ARG SOURCE_DATE_EPOCH=0
ARG REVISION=unknown
RUN make -j2 static && hack/image-rootfs.sh build/static/backstop /rootfs

FROM scratch
COPY --from=build /rootfs /
USER 65532:65532
EXPOSE 9443 8080
ENTRYPOINT ["/backstop"]
CMD ["serve"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="backstop" \
      org.opencontainers.image.description="The admission webhook that keeps a k0rdent management cluster restorable" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
