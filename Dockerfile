FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
COPY . /src
ENV NUMBA_CACHE_DIR=/kernels
RUN pip install --no-cache-dir /src && nmfaudio warmup && chmod -R a+rwX /kernels
WORKDIR /sound
ENTRYPOINT ["denoise"]
