FROM docker.io/library/node:24-bookworm-slim AS base
WORKDIR /app


FROM base AS build
COPY package.json package-lock.json ./
# Where npm needs more than its defaults to reach a registry, that comes as a secret, which no layer keeps:
#   docker build --secret id=npmrc,src=$HOME/.npmrc .
# Without install scripts the Node.js that development pins stays away: the image has its own.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY clients clients
COPY dashboard dashboard
# The guide has the pages, and the files that they link to.
COPY CHANGELOG.md SECURITY.md compose.yaml ./
COPY deploy deploy
COPY docs docs
COPY examples examples
COPY guide guide
COPY kernels kernels
COPY openapi openapi
COPY routes routes
COPY src src
COPY test/vectors/README.md test/vectors/
COPY vendor vendor
RUN npm run build && chmod +x dist/src/cli/bin.js


FROM base AS app
ENV NODE_ENV=production
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --omit=dev --ignore-scripts
COPY LICENSE ./
COPY --from=build /app/dist dist
# The service runs once, so that the image has its compiled code: each start takes a tenth less. Node.js keeps it by
# user, version and processor, and does without where one of them is another.
ENV NODE_COMPILE_CACHE=/app/compile-cache
RUN install -d -o node "$NODE_COMPILE_CACHE"
USER node
RUN export LOSSMETER_SOCKET=/tmp/lossmeter.sock LOSSMETER_STORE=:memory:; \
    dist/src/cli/bin.js serve & \
    for attempt in 1 2 3 4 5 6 7 8 9 10; do sleep 1; dist/src/cli/bin.js health && break; done; \
    kill $! && wait $!
USER root
RUN chown -R root:root "$NODE_COMPILE_CACHE" && chmod -R a+rX "$NODE_COMPILE_CACHE"


FROM base
# What installs packages has no work here.
RUN rm -rf /usr/local/lib/node_modules /opt/yarn-* \
    && cd /usr/local/bin && rm -f npm npx corepack yarn yarnpkg \
    && ln -s /app/dist/src/cli/bin.js lossmeter \
    && install -d -o node -g node /var/lib/lossmeter
COPY --from=app /app /app

# Without keys a service that others can reach starts only where LOSSMETER_ALLOW_ANONYMOUS says so. Whoever runs the
# image chooses; it does not.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/compile-cache \
    LOSSMETER_HOST=0.0.0.0 \
    LOSSMETER_STORE=/var/lib/lossmeter/lossmeter.db

ARG VERSION=unreleased
LABEL org.opencontainers.image.title="Lossmeter" \
      org.opencontainers.image.description="HTTP microservice that evaluates cross-entropy loss and says what is wrong when it is not finite" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"

# The only place that is written to; the root file system may be read-only.
VOLUME /var/lib/lossmeter
# By number: Kubernetes cannot tell of a name that it is not root's.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["lossmeter", "health"]
# Node.js is process 1, and its flag is in the first line of that file. SIGTERM finishes what is under way.
ENTRYPOINT ["lossmeter"]
CMD ["serve"]
