FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY scripts/mark-executable.mjs scripts/
COPY src src
COPY assembly assembly
RUN npm run build

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev

FROM node:24-bookworm-slim
# tini reaps children and passes signals on: node as pid 1 would do neither.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    # A new volume takes over owner and mode of the directory it is mounted on.
    && install -d -o node -g node -m 0700 /data
WORKDIR /app
# package.json for the version that --version and the metrics say, protos for the server and its reflection.
COPY package.json ./
COPY protos protos
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
ENV NODE_ENV=production \
    LOG_DIR=/data \
    GRPC_HOST=0.0.0.0 \
    GRPC_PORT=50053 \
    HTTP_HOST=0.0.0.0 \
    HTTP_PORT=8080
USER node
VOLUME /data
EXPOSE 50053 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The executable, not main.js: it gives `serve` its 16 file threads. `docker run logweir config` works, too.
ENTRYPOINT ["tini", "--", "node", "--enable-source-maps", "dist/logweir.cjs"]
CMD ["serve"]
