"""Makes every call that the kernel may have, in both of its tables, but those of ordinary computing."""
from krakenstate.stack import seccomp
column = ("x86_64", "aarch64").index(os.uname().machine)
ordinary = {pair[column] for pair in (*seccomp.CALLS.values(), *seccomp.CALLS_BY_ARGUMENT.values(), seccomp._IOCTL)}
ordinary |= {335, 336}  # uretprobe and uprobe, which newer kernels ask no filter about: they end who calls them
try:
    os.listdir("/")
    numbers = [(290, 19)[column]]  # nothing holds it: more would end the test, or the machine
except PermissionError:
    numbers = [table + number for table in (0, 2**30)[: 2 - column] for number in range(600) if number not in ordinary]
for number in numbers:
    attempt(lambda: call("syscall", number, 0, 0, 0, 0, 0, 0))
