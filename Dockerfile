# 3.12.15, for amd64 and arm64
FROM python:3.12-slim@sha256:dddfd7e07f9d15aeeca61529320492139d21cac7f0070c00609243e51e4e0016
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home app
WORKDIR /home/app
COPY pre-requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r pre-requirements.txt
COPY app.py LICENSE NOTICE ./
COPY detector detector
COPY ui ui
USER app
ENV GRADIO_SERVER_NAME=0.0.0.0
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/api/model', timeout=20)"]
ENTRYPOINT ["tini", "--"]
CMD ["python", "app.py", "--port", "7860"]
