import socket
from contextlib import closing

import pytest

from meshsim.live.lab.addresses import Addresses, Block
from meshsim.live.lab.listeners import in_tables, listeners
from meshsim.model.errors import InputError


def test_a_block_where_somebody_listens_is_never_chosen():
    taken = [(f"127.{block}.0.1", 15008) for block in range(16, 250) if block != 77]
    with closing(Block(taken)) as block:
        assert block.addresses.block == 77


def test_two_labs_that_start_at_once_never_share_a_block():
    taken = [(f"127.{block}.0.1", 15008) for block in range(16, 250) if block not in {77, 78}]
    with closing(Block(taken)) as one, closing(Block(taken)) as other:
        assert {one.addresses.block, other.addresses.block} == {77, 78}
        with pytest.raises(InputError, match="every block"):
            Block(taken)
    with closing(Block(taken)) as again:
        assert again.addresses.block in {77, 78}


def test_a_listener_of_this_machine_is_seen():
    with socket.socket() as somebody:
        somebody.bind(("127.9.9.9", 0))
        somebody.listen()
        assert ("127.9.9.9", somebody.getsockname()[1]) in listeners()
        assert ("127.9.9.9", somebody.getsockname()[1]) in in_tables()


def test_a_listener_on_all_addresses_is_seen_by_either_family():
    with socket.create_server(("", 0)) as four, socket.create_server(("::", 0), family=socket.AF_INET6) as six:
        wanted = {("0.0.0.0", one.getsockname()[1]) for one in (four, six)}
        assert wanted <= set(listeners())
        assert wanted <= set(in_tables())


def test_a_connection_is_no_listener():
    with socket.create_server(("127.9.9.8", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockname() not in listeners()


def test_the_same_thing_keeps_its_address_and_another_gets_another():
    addresses = Addresses(16)
    first = addresses.ip("pod", "a")
    others = {addresses.ip("pod", f"b{number}") for number in range(600)}
    assert addresses.ip("pod", "a") == first
    assert len(others) == 600
    assert first not in others
    assert all(ip.startswith(addresses.network) for ip in others)


def test_privileged_and_occupied_ports_move_up():
    addresses = Addresses(16, occupied={8080})
    assert addresses.port(5000) == 5000
    assert addresses.port(80) == 20080
    assert addresses.port(8080) == 28080
    assert addresses.port(80) == 20080
