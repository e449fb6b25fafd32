"""Clients that connect, count and leave again, as fast as they can, and tell what became of each attempt."""

import argparse
import json
import signal
import socket
import threading
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    done, lock = threading.Event(), threading.Lock()
    told = {"connected": 0, "refused": 0, "answered": 0, "unanswered": 0, "other": [], "longest": 0.0}
    signal.signal(signal.SIGTERM, lambda *_: done.set())

    def count():
        while not done.is_set():
            begin = time.monotonic()
            try:
                connection = socket.create_connection(("127.0.0.1", options.port), timeout=30)
            except ConnectionRefusedError:
                with lock:
                    told["refused"] += 1
                time.sleep(0.001)
                continue
            except OSError as error:
                with lock:
                    told["other"].append(repr(error))
                continue
            answer = b""
            with connection:
                try:
                    connection.sendall(b"INCR load\r\n")
                    answer = connection.recv(200)
                except OSError:
                    # Closed as the server ended: whether it was counted is not known.
                    pass
            with lock:
                told["connected"] += 1
                told["answered" if answer.startswith(b":") else "unanswered"] += 1
                if answer and not answer.startswith((b":", b"-LOADING")):
                    told["other"].append(repr(answer))
                told["longest"] = max(told["longest"], time.monotonic() - begin)

    threads = [threading.Thread(target=count) for _ in range(options.clients)]
    for thread in threads:
        thread.start()
    while not done.wait(0.1):
        pass
    for thread in threads:
        thread.join()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
