"""Run a program in a terminal of its own: `terminal.py COLUMNS ROWS PROGRAM ARGUMENT…`.

Its keys come from standard input, and what it writes to the screen goes to standard output.
"""
import fcntl
import os
import pty
import select
import struct
import sys
import termios

columns, rows, *command = sys.argv[1:]
program, screen = pty.fork()
if program == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
    os.execvp(command[0], command)

sources = [screen, sys.stdin.fileno()]
while True:
    ready, _, _ = select.select(sources, [], [])
    if sys.stdin.fileno() in ready:
        keys = os.read(sys.stdin.fileno(), 65536)
        if keys:
            os.write(screen, keys)
        else:
            sources.remove(sys.stdin.fileno())
    if screen in ready:
        try:
            shown = os.read(screen, 65536)
        except OSError:  # nobody has the terminal open any more
            break
        os.write(sys.stdout.fileno(), shown)

_, status = os.waitpid(program, 0)
sys.exit(os.waitstatus_to_exitcode(status))
