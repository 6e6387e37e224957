def test_health(echo_daemon):
    assert echo_daemon.health()[0] == 200
    assert echo_daemon.worker_pid
