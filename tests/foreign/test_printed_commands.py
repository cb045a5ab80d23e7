"""The AWS CLI sends what the commands that slipway prints are meant to send."""

import json
import shlex
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import pytest

from slipway.release.targets.app_runner.preflight import ingress_command
from tests.foreign.clients import CLIENTS, MissingError
from tests.release.desired import ARN

pytestmark = pytest.mark.slow


class Listener(BaseHTTPRequestHandler):
    """AWS as far as it reads a request: it keeps operation and parameters, and answers with nothing."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((self.headers["x-amz-target"].partition(".")[2], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


async def test_the_command_that_makes_a_vpc_ingress_connection_asks_for_it(tmp_path):
    try:
        python, _player = CLIENTS[0].command()
    except MissingError as missing:
        pytest.skip(f"the AWS CLI is not here: {missing}")
    program, *command = shlex.split(ingress_command("notes-staging", ARN))
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = ["--endpoint-url", f"http://127.0.0.1:{server.server_port}", "--region", "eu-west-1"]
        keys = {"AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "secret", "HOME": str(tmp_path)}
        done = await anyio.run_process([python, "-m", "awscli", *command, *endpoint], env=keys, check=False)
        server.shutdown()
    assert (program, done.returncode, done.stderr) == ("aws", 0, b"")
    assert server.seen == [
        (
            "CreateVpcIngressConnection",
            {
                "ServiceArn": ARN,
                "VpcIngressConnectionName": "notes-staging",
                "IngressVpcConfiguration": {"VpcId": "VPC", "VpcEndpointId": "ENDPOINT"},
            },
        )
    ]
