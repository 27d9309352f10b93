# The everyday commands; the Makefile says what they do.

default:
    @just --list

run:
    make run
test:
    make test
check:
    make check
fix:
    make fix
messages:
    make messages
bench:
    make bench
lock:
    make lock
docs:
    make docs
