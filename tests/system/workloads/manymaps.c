/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manymaps LIB MAPS SECONDS SHARE — has the code of LIB (a copy of own-lib) mapped MAPS times, and works in one
 * mapping after the other, for SHARE of the time: whichever it is, it is that file's function. Says
 * "ready" when all are there.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

#include "load.h"

/* Where in the file own_entry is: by the loaded library's program headers. */
static int find_code(struct dl_phdr_info *info, size_t sz, void *ctx)
{
	uint64_t *at = ctx;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && *at >= start && *at < start + p->p_memsz) {
			*at = *at - start + p->p_offset;
			return 1;
		}
	}
	return 0;
}

int main(int argc, char *argv[])
{
	unsigned long cnt = (unsigned long)load_arg(argc, argv, 2, 1000), x = 1;
	double seconds = load_arg(argc, argv, 3, 10), share = load_arg(argc, argv, 4, 1);
	void *lib = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	uint64_t (**entries)(uint64_t rounds) = calloc(cnt, sizeof(*entries)), at, end;

	if (!lib || fd < 0 || !entries)
		return 1;
	at = (uint64_t)(uintptr_t)dlsym(lib, "own_entry");
	if (!dl_iterate_phdr(find_code, &at))
		return 1;
	for (unsigned long i = 0; i < cnt; i++) {
		char *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
			       (off_t)(at & ~4095ul));

		if (p == MAP_FAILED) {
			perror("mmap");
			return 1;
		}
		*(void **)&entries[i] = p + (at & 4095);
	}
	dlclose(lib);
	printf("ready\n");
	fflush(stdout);
	end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	while (load_now(CLOCK_MONOTONIC) < end) {
		uint64_t before = load_now(CLOCK_MONOTONIC), took;

		x = x * 6364136223846793005ul + 1442695040888963407ul;
		(void)entries[(x >> 33) % cnt](100000);
		took = load_now(CLOCK_MONOTONIC) - before;
		if (share < 1)
			usleep((useconds_t)((double)took * (1 / share - 1) / 1000));
	}
	printf("{\"pid\": %d}\n", getpid());
	return 0;
}
