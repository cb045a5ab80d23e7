import socket

from slipway.rehearsal.servers import unreachable


async def test_servers_of_variables_that_do_not_answer_are_named_with_their_address():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        here, gone = listening.getsockname()[1], closed.getsockname()[1]
        variables = {
            "REDIS_URL": f"redis://127.0.0.1:{here}/0",
            "CACHE_URL": f"redis://:secret@127.0.0.1:{gone}/0",
            "KAFKA": f"localhost:{gone}",
            "SEARCH_HOST": "localhost",
            "SEARCH_PORT": f"{gone}",
            "QUEUE_HOST": "127.0.0.1",
            "QUEUE_PORT": f"{here}",
            "STRIPE_URL": f"https://api.example.com:{gone}",
            "MODE": "production",
            "REDIRECT_URL": "http://localhost:8000",
            "BROKEN": "http://[oops",
        }
        assert await unreachable(variables, own=8000) == (
            f"CACHE_URL (127.0.0.1:{gone})",
            f"KAFKA (localhost:{gone})",
            f"SEARCH_HOST (localhost:{gone})",
        )
