"""Models by their hub names: fetched once from a hub on this machine, found again without one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import one_file
import pytest
import tiny_models
import torch
from safetensors.torch import save_file

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models.diffusion import hub

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A hub that serves the folders of ``root``, and counts what it is asked for."""

    root: Path
    url: str = ""
    fetched: list[str] = field(default_factory=list)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Hub]:
    known = Hub(tmp_path / "served")

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            if path.startswith("/api/models/"):
                self._about(path.removeprefix("/api/models/"))
                return
            repository, _, rest = path.strip("/").partition("/resolve/")
            file = known.root / repository / rest.partition("/")[2]
            if not file.is_file():
                self._said(404, {"X-Error-Code": "EntryNotFound"})
                return
            content = file.read_bytes()
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": REVISION}
            if body:
                known.fetched.append(f"{repository}/{file.relative_to(known.root / repository)}")
            self._said(200, headers | {"Content-Length": str(len(content))}, content if body else b"")

        def _about(self, asked: str) -> None:
            name = asked.partition("/revision/")[0]
            name, _, tree = name.partition("/tree/")
            folder = known.root / name
            if not folder.is_dir():
                self._said(404, {"X-Error-Code": "RepoNotFound", "Content-Length": "0"})
                return
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            names = [str(file.relative_to(folder)) for file in files]
            told: Any = {"id": name, "sha": REVISION, "siblings": [{"rfilename": each} for each in names]}
            if tree:
                told = [
                    {"type": "file", "path": each, "size": file.stat().st_size, "oid": "0" * 40}
                    for each, file in zip(names, files, strict=True)
                ]
            content = json.dumps(told).encode()
            self._said(200, {"Content-Type": "application/json", "Content-Length": str(len(content))}, content)

        def _said(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield known
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "in.png"), np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    return tmp_path / "in.png"


def run(source: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Transform a picture with a hub at ``url``; what it keeps lies beside the picture."""
    home = source.parent
    environment = os.environ | {
        "HF_ENDPOINT": url, "HF_HOME": str(home / "hub"), "MIRAGE_CACHE": str(home / "cache"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "mirage_runtime", "run", *options, str(source), str(home / "out.png")]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


NOWHERE = "http://127.0.0.1:9"


def test_a_model_is_fetched_once_and_found_again_without_a_hub(
    served: Hub, source: Path, models: dict[str, Path]
) -> None:
    shutil.copytree(models["kl"], served.root / "someone/small-kl")
    (served.root / "someone/small-kl/model.ckpt").write_bytes(b"a pickle")
    (served.root / "someone/small-kl/unet/diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    shutil.copytree(models["sd"] / "vae", served.root / "someone/tiny-vae")
    asked = ("--model", "someone/small-kl", "--vae", "someone/tiny-vae")
    done = run(source, served.url, *asked)
    assert done.returncode == 0, done.stderr
    assert not [name for name in served.fetched if name.endswith((".ckpt", ".bin"))]
    assert {name.split("/")[1] for name in served.fetched} == {"small-kl", "tiny-vae"}
    first, count = (source.parent / "out.png").read_bytes(), len(served.fetched)
    done = run(source, NOWHERE, *asked)
    assert done.returncode == 0, done.stderr
    assert (source.parent / "out.png").read_bytes() == first
    assert len(served.fetched) == count


def test_what_was_fetched_in_part_is_fetched_whole(served: Hub, source: Path, models: dict[str, Path]) -> None:
    shutil.copytree(models["sd"], served.root / "someone/small")
    assert run(source, served.url, "--model", "someone/small").returncode == 0
    (snapshot,) = (source.parent / "hub/hub/models--someone--small/snapshots").iterdir()
    (snapshot / "unet/diffusion_pytorch_model.safetensors").unlink()
    done = run(source, NOWHERE, "--model", "someone/small")
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "small/snapshots" in said.replace(" ", "")
    assert "has no weights (.safetensors): was it downloaded whole?; and it cannot be fetched again" in said
    done = run(source, NOWHERE, "--model", "someone/small", "--sampling", "lmc")
    assert "there is no sampling 'lmc'" in done.stderr
    done = run(source, served.url, "--model", "someone/small")
    assert done.returncode == 0, done.stderr


def test_a_single_file_gets_the_tokenizer_that_all_take(served: Hub, source: Path, tmp_path: Path) -> None:
    folder = tiny_models.make_released(tmp_path / "sd1", "sd1")
    file = one_file.write(folder, tmp_path / "dream_turbo.safetensors")
    shutil.copytree(folder / "tokenizer", served.root / "openai/clip-vit-large-patch14")
    (served.root / "openai/clip-vit-large-patch14/model.safetensors").write_bytes(bytes(1000))
    pickle = tmp_path / "dream.ckpt"
    pickle.write_bytes(b"a pickle")
    done = run(source, NOWHERE, "--model", str(pickle))
    assert "dream.ckpt is a pickle" in " ".join(done.stderr.split())
    done = run(source, NOWHERE, "--model", str(file))
    assert done.returncode == 1
    assert "openai/clip-vit-large-patch14 is no path here, and the hub cannot be reached" in done.stderr
    done = run(source, served.url, "--model", str(file))
    assert done.returncode == 0, done.stderr
    assert not [name for name in served.fetched if name.endswith(".safetensors")]


def test_a_lora_has_a_name_in_the_hub_too(served: Hub, source: Path, models: dict[str, Path]) -> None:
    folder = served.root / "someone/lcm-lora-small"
    folder.mkdir(parents=True)
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora"
    save_file(
        {f"{name}_A.weight": torch.zeros(4, 32), f"{name}_B.weight": torch.zeros(32, 4)},
        folder / "pytorch_lora_weights.safetensors",
    )
    for url in (served.url, NOWHERE):
        done = run(source, url, "--model", str(models["sd"]), "--lora", "someone/lcm-lora-small:0.5")
        assert done.returncode == 0, done.stderr
    assert served.fetched == ["someone/lcm-lora-small/pytorch_lora_weights.safetensors"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--model", "someone/nothing"), "the hub does not give it: it is not there, or not for everybody"),
        (("--model", "someone/pickles"), "someone/pickles has no weights as .safetensors"),
    ],
)
def test_what_the_hub_does_not_have(served: Hub, source: Path, asked: tuple[str, ...], said: str) -> None:
    (served.root / "someone/pickles/unet").mkdir(parents=True)
    (served.root / "someone/pickles/unet/diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    done = run(source, served.url, *asked)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_no_more_is_fetched_than_is_used() -> None:
    names = [
        "README.md", "model_index.json", "sd_turbo.safetensors", "unet/config.json", "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json", "tokenizer/merges.txt",
        "safety_checker/model.safetensors", "text_encoder/model.fp16.safetensors", "unet/openvino_model.xml",
    ]  # fmt: skip
    assert hub.wanted(names) == [
        "model_index.json", "text_encoder/model.fp16.safetensors", "tokenizer/merges.txt", "tokenizer/vocab.json",
        "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip


def test_a_path_is_no_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hub.is_id("stabilityai/sd-turbo")
    assert hub.is_id("latent-consistency/lcm-lora-sdv1-5")
    for name in ("models/schön", "foo/a--b", "x/y.git", "x/y-", "x/" + "y" * 97, "x/a..b"):
        assert not hub.is_id(name)
    for name in (
        "./stabilityai/sd-turbo",
        "/models/sd-turbo",
        "models/sd/turbo",
        "../sd-turbo",
        "~/sd-turbo",
        "sd-turbo",
    ):
        assert not hub.is_id(name)
    (tmp_path / "stabilityai/sd-turbo").mkdir(parents=True)
    assert not hub.is_id("stabilityai/sd-turbo")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "a/b cannot be kept here: No space left on device"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "the hub cannot be reached"),
    ],
)
def test_a_full_disk_is_told_apart_from_a_hub_that_is_away(
    monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", fails)
    with pytest.raises(MirageRuntimeError, match=said):
        hub.fetched("a/b")
