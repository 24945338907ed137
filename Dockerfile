# The server of this checkout, as a user who owns nothing:
#   docker build -t fluvial .
#   docker run --rm -p 127.0.0.1:8000:8000 -e FLUVIAL_TOKEN -v "$PWD/runs:/runs:ro" fluvial /runs/abalone
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.11-slim
COPY constraints.txt /wheels/
COPY --from=build /wheels /wheels
# torch for processors alone: that of the usual index brings gigabytes for graphics cards
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu -c /wheels/constraints.txt torch \
    && pip install --no-cache-dir -c /wheels/constraints.txt "$(echo /wheels/*.whl)[data,audio,image,serve]" \
    && useradd --system --uid 10001 fluvial
USER 10001
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
ENTRYPOINT ["fluvial", "serve", "--host", "0.0.0.0"]
