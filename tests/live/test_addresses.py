import socket

from meshsim.live.lab.addresses import Addresses, listeners


def test_a_block_where_somebody_listens_is_never_chosen():
    taken = [(f"127.{block}.0.1", 15008) for block in range(16, 250) if block != 77]
    assert Addresses(taken).block == 77


def test_a_listener_of_this_machine_is_seen():
    with socket.socket() as somebody:
        somebody.bind(("127.9.9.9", 0))
        somebody.listen()
        assert ("127.9.9.9", somebody.getsockname()[1]) in listeners()


def test_the_same_thing_keeps_its_address_and_another_gets_another():
    addresses = Addresses([])
    first = addresses.ip("pod", "a")
    others = {addresses.ip("pod", f"b{number}") for number in range(600)}
    assert addresses.ip("pod", "a") == first
    assert len(others) == 600
    assert first not in others
    assert all(ip.startswith(addresses.network) for ip in others)


def test_privileged_and_occupied_ports_move_up():
    addresses = Addresses([("0.0.0.0", 8080)])
    assert addresses.port(5000) == 5000
    assert addresses.port(80) == 20080
    assert addresses.port(8080) == 28080
    assert addresses.port(80) == 20080
