# SPDX-License-Identifier: Apache-2.0
"""own-names COUNT — assembly of COUNT functions with names of their own and a table of them.

own_000000, own_000001, ...: each does as many rounds as it is told, with a frame pointer, so that a
sample in a process tells by its function's name alone which process it should be of.
"""

import sys

count = int(sys.argv[1])
print("\t.text")
for i in range(count):
    print(f"""\t.globl own_{i:06}
\t.type own_{i:06}, @function
own_{i:06}:
\tpush %rbp
\tmov %rsp, %rbp
\tmov %rdi, %rax
1:\timul %rdi, %rax
\tdec %rdi
\tjnz 1b
\tpop %rbp
\tret
\t.size own_{i:06}, . - own_{i:06}""")
print("\t.section .data.rel.ro, \"aw\"\n\t.globl own_table\nown_table:")
for i in range(count):
    print(f"\t.quad own_{i:06}")
print(f"\t.section .rodata\n\t.globl own_count\n\t.align 8\nown_count:\t.quad {count}")
print("\t.section .note.GNU-stack, \"\", @progbits")
