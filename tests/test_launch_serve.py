"""The server as it runs: on loopback, with a token, with our kernels; and the small functions around it."""

import http.client
import json
import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from mini_rcnn.launch import browser, environments, serve
from mini_rcnn.launch.errors import LabError

ROOT = Path(__file__).resolve().parent.parent
# Without a token each of these would show or do something. Bare /api says Jupyter's version and nothing else.
GUARDED = (
    "contents", "contents/labs", "kernels", "sessions", "terminals", "kernelspecs", "config/notebook", "status",
)  # fmt: skip


def request(server, path, *, token=None, method="GET", body=None):
    """Return ``(status, text)`` of a request to a running server."""
    host, port = server.address.split("//")[1].strip("/").split("/")[0].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    headers = {"Authorization": "token " + token} if token else {}
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def run_in_kernel(server, kernel_name, code):
    """Return what code prints in a new kernel of the server."""
    import websocket

    status, text = request(
        server, "/api/kernels", token=server.token, method="POST", body=json.dumps({"name": kernel_name})
    )
    assert status == 201, text
    kernel = json.loads(text)["id"]
    address = server.address.replace("http", "ws").rstrip("/").replace("/lab", "")
    channel = websocket.create_connection(
        f"{address}/api/kernels/{kernel}/channels", header=["Authorization: token " + server.token], timeout=60
    )
    try:
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        header = {"msg_id": "1", "username": "", "session": "1", "msg_type": "execute_request", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        channel.send(json.dumps(message))
        printed = ""
        while True:
            answer = json.loads(channel.recv())
            if answer["parent_header"].get("msg_id") != "1":
                continue
            if answer["msg_type"] == "stream":
                printed += answer["content"]["text"]
            if answer["msg_type"] == "error":
                raise AssertionError(answer["content"]["evalue"])
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return printed
    finally:
        channel.close()
        request(server, "/api/kernels/" + kernel, token=server.token, method="DELETE")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout in a folder with a space and Korean letters, with nothing but what the server needs."""
    root = tmp_path_factory.mktemp("serve") / "한글 폴더"
    (root / ".venv").mkdir(parents=True)
    (root / "labs").mkdir()
    (root / "mini_rcnn").mkdir()
    (root / "mini_rcnn" / "__init__.py").write_text("HERE = __file__\n")
    return root


@pytest.fixture(scope="module")
def hostile_home(tmp_path_factory):
    """A home whose Jupyter settings would open the server to everybody, and whose python3 kernel is another's."""
    home = tmp_path_factory.mktemp("home")
    (home / ".jupyter").mkdir()
    settings = {"token": "", "password": "", "ip": "0.0.0.0", "allow_origin": "*", "disable_check_xsrf": True}
    whole = {"ServerApp": settings, "IdentityProvider": {"token": ""}}
    (home / ".jupyter" / "jupyter_server_config.json").write_text(json.dumps(whole))
    (home / "system").mkdir()
    (home / "system" / "jupyter_server_config.json").write_text(json.dumps(whole))
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["/no/such"], "display_name": "other", "language": "x"}))
    return home


@pytest.fixture(scope="module")
def server(checkout, hostile_home):
    """The real JupyterLab of the environment that the tests run in."""
    environ = environments.environ_of(None)
    environ.update(
        HOME=str(hostile_home),
        JUPYTER_TOKEN="",
        JUPYTER_CONFIG_PATH=str(hostile_home / "system"),
        PYTHONPATH=str(checkout),
    )
    kernels = {"python3": serve.kernel_spec(sys.executable, None, serve.TITLES["active"], checkout)}
    running = serve.Server(sys.executable, checkout, kernels, name="active", environ=environ, port=18888)
    try:
        running.address = running.wait_until_ready()
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("token", [None, "wrong"])
def test_api_is_closed_without_the_token(server, path, token):
    assert request(server, "/api/" + path, token=token)[0] == 403


@pytest.mark.parametrize("path", ["kernels", "terminals", "sessions"])
def test_nothing_can_be_started_without_the_token(server, path):
    assert request(server, "/api/" + path, method="POST", body="{}")[0] == 403


def test_bare_api_tells_the_version_alone(server):
    status, text = request(server, "/api")
    assert (status, list(json.loads(text))) == (200, ["version"])


def test_token_opens_it(server):
    assert request(server, "/api/contents", token=server.token)[0] == 200


def test_pages_ask_for_the_token(server):
    assert request(server, "/lab")[0] == 302  # to the login page


def test_only_loopback_listens(server):
    port = int(server.address.split(":")[2].split("/")[0])
    others = {address[4][0] for address in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)}
    for address in others - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=2).close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_token_is_in_no_file_that_others_can_read(server, checkout):
    with_token = [path for path in (checkout / ".venv").rglob("*") if path.is_file()]
    with_token = [path for path in with_token if server.token.encode() in path.read_bytes()]
    assert with_token  # Jupyter keeps it in its runtime folder
    for path in with_token:
        shut = [folder for folder in [path, *path.parents] if stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0]
        assert any(checkout in folder.parents for folder in shut), path


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
def test_token_is_on_no_command_line(server):
    assert server.token.encode() not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()


def test_python3_kernel_is_ours(server):
    specs = json.loads(request(server, "/api/kernelspecs", token=server.token)[1])["kernelspecs"]
    assert specs["python3"]["spec"]["display_name"] == serve.TITLES["active"]


def test_kernel_answers_from_the_chosen_environment(server, checkout):
    code = "import mini_rcnn, sys; print(sys.version.split()[0]); print(mini_rcnn.HERE)"
    version, here = run_in_kernel(server, "python3", code).splitlines()
    assert version == sys.version.split()[0]
    assert Path(here) == checkout / "mini_rcnn" / "__init__.py"


def test_a_port_in_use_leads_to_another(server, checkout):
    port = int(server.address.split(":")[2].split("/")[0])
    second = serve.Server(sys.executable, checkout, {}, name="second", environ=environments.environ_of(None), port=port)
    try:
        assert f":{port}/" not in second.wait_until_ready()
    finally:
        second.stop()
    assert second.process.returncode is not None


def test_a_server_that_does_not_start_says_why(checkout):
    if os.name == "nt":
        pytest.skip("needs a POSIX shell")
    folder = checkout.parent / "other"
    (folder / ".venv" / "jupyter").mkdir(parents=True)
    fake = folder / "fake"
    fake.write_text("#!/bin/sh\necho the reason >&2\nexit 3\n")
    fake.chmod(0o755)
    with pytest.raises(LabError, match="the reason"):
        serve.Server(fake, folder, {}, name="broken", environ=environments.environ_of(None)).wait_until_ready()


def test_listening_is_told_from_not_yet_listening():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert not serve.listens("127.0.0.1", port)
        bound.listen()
        assert serve.listens("127.0.0.1", port) and serve.listens("0.0.0.0", port)


def test_wider_only_by_an_explicit_address():
    narrow = serve.server_command("python", Path("/lab"))
    assert "--ServerApp.ip=127.0.0.1" in narrow
    assert not any("allow_remote_access" in part for part in narrow)
    wide = serve.server_command("python", Path("/lab"), address="0.0.0.0")
    assert "--ServerApp.ip=0.0.0.0" in wide
    assert not any("token" in part for part in wide)


def test_warning_says_who_and_what():
    warning = serve.listen_warning("0.0.0.0")
    assert "Everybody who can reach this machine" in warning
    assert "run any program in your name" in warning
    assert "192.168.0.7" in serve.listen_warning("192.168.0.7")


@pytest.mark.parametrize(
    "environ, system, expected",
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}, "linux", False),
        ({}, "win32", True),
        ({}, "darwin", True),
        ({"CI": "true"}, "darwin", False),
    ],
)
def test_browser_only_where_somebody_sits(environ, system, expected):
    assert browser.has_browser(environ, system) is expected


def test_browser_page_is_private_and_leads_to_the_lab(tmp_path, monkeypatch):
    monkeypatch.setattr(browser.webbrowser, "open", lambda address: True)
    opened, page = browser.open_page("http://127.0.0.1:8888/lab", "secret", tmp_path)
    assert opened and "http://127.0.0.1:8888/lab?token=secret" in page.read_text(encoding="utf-8")
    if os.name != "nt":
        assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_kernels_of_an_earlier_start_are_gone(tmp_path):
    serve.write_kernels(tmp_path, {"python3": {}, "old": {}})
    serve.write_kernels(tmp_path, {"python3": {"argv": []}})
    assert [path.name for path in (tmp_path / "kernels").iterdir()] == ["python3"]
