# The image for those who build with Docker: docker build -t REPOSITORY:TAG .
# The same files as `npm run image` gathers, by the same code; a test compares all that is said here with image/contents.ts.
FROM node:24.21.0-bookworm AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run image -- --folder /image

FROM scratch
COPY --from=build /image /
LABEL org.opencontainers.image.title="Berth" \
      org.opencontainers.image.description="Load balancer for bare-metal Kubernetes: its controller and its speaker" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/bin
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["node"]
CMD ["/app/controller.js", "--help"]
