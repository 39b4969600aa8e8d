"""Opens two TUN devices, makes them the standard input and output, and becomes the program that is named
after them: Python can ask for a device without code that Rust calls unsafe."""

import fcntl
import os
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000

first, second, *program = sys.argv[1:]
for descriptor, name in enumerate((first, second)):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    os.dup2(device, descriptor)
os.execv(program[0], program)
