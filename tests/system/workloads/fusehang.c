/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fusehang KIND DEVICE LIB DIR SECONDS UID WHOSE — a user with a file system of his own, who stops answering when
 * somebody looks. Started as root. DEVICE is /dev/fuse or a node like it; LIB (own-lib) is what the file system
 * has, as DIR/mnt/prog; WHOSE is root (mounted by root for all to use, as fusermount does with allow_other) or user (in
 * namespaces of the user's own). Prints "hangs" when from now on requests of that kind are taken and never answered:
 * who waits for one cannot be killed, as long as the server lives.
 *
 * KIND lookup: the file system is /tmp, where perf maps are looked for, and code of run time is sampled.
 * open, getattr, statfs: the CPU is spent in the file itself. read: in a file of DIR, while one thread holds the lock of all
 * mappings in a page fault on the file system, and another waits to change them, so that nobody else gets to look at
 * them either. flush: in code of run time, and then a program is executed; the kernel closes files for that
 * under a lock that /proc needs.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "load.h"
#include "template.h"

#define ROOT_NODE 1
#define FILE_NODE 2
#define FILE_NAME "prog"
#define FILE_PAGES 16 /* as large as it is shown to be */
#define PAGE 4096UL
#define REQUEST_MAX (1 << 20)
#define FOREVER (1ULL << 40)
#define CHILD_SECONDS 1
#define CHILDREN_MAX 64

struct hang {
	const char *kind, *lib, *dir;
	char mount[512];
	struct template image;
	uint32_t opcode; /* that is not answered any more, */
	atomic_bool *on; /* once this is set */
	uid_t uid;
	int reads; /* by the server */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* The server. Sources: include/uapi/linux/fuse.h */

static struct fuse_attr attr_of(const struct hang *h, uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node == FILE_NODE ? FILE_PAGES * PAGE : PAGE,
		.blocks = 8,
		.mode = node == FILE_NODE ? S_IFREG | 0755 : S_IFDIR | 0777,
		.nlink = 1,
		.uid = h->uid,
		.gid = h->uid,
		.blksize = PAGE,
	};
}

static void answer(int device, uint64_t unique, int error, const void *body, size_t sz)
{
	static char out[sizeof(struct fuse_out_header) + FILE_PAGES * PAGE + REQUEST_MAX];
	struct fuse_out_header head = { .len = (uint32_t)(sizeof(head) + sz),
					.error = -error,
					.unique = unique };

	memcpy(out, &head, sizeof(head));
	if (sz > 0)
		memcpy(out + sizeof(head), body, sz);
	(void)!write(device, out, head.len);
}

/* The first try to read beyond the image fails, so that the kernel tries again, and then holds its lock. */
static void answer_read(struct hang *h, int device, const struct fuse_in_header *in)
{
	const struct fuse_read_in *read = (const void *)(in + 1);
	static char bytes[FILE_PAGES * PAGE];
	uint64_t at = read->offset < sizeof(bytes) ? read->offset : sizeof(bytes);
	size_t sz = read->size < sizeof(bytes) - at ? read->size : sizeof(bytes) - at;

	memcpy(bytes, h->image.bytes, h->image.sz < sizeof(bytes) ? h->image.sz : sizeof(bytes));
	if (h->opcode == FUSE_READ && atomic_load(h->on) && h->reads++ == 0)
		answer(device, in->unique, EIO, NULL, 0);
	else if (h->opcode != FUSE_READ || !atomic_load(h->on))
		answer(device, in->unique, 0, bytes + at, sz);
}

static void serve_one(struct hang *h, int device, const struct fuse_in_header *in)
{
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET ||
	    in->opcode == FUSE_INTERRUPT)
		return;
	if (in->opcode == h->opcode && atomic_load(h->on) && in->opcode != FUSE_READ)
		return;
	switch (in->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out m = { .major = FUSE_KERNEL_VERSION,
					   .minor = 31,
					   .max_readahead = 0,
					   .max_background = 12,
					   .congestion_threshold = 9,
					   .max_write = 65536,
					   .time_gran = 1,
					   .max_pages = 16 };

		answer(device, in->unique, 0, &m, sizeof(m));
		return;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out m = { .nodeid = FILE_NODE,
					    .generation = 1,
					    .attr = attr_of(h, FILE_NODE) };
		bool known = strcmp((const char *)(in + 1), FILE_NAME) == 0;

		answer(device, in->unique, known ? 0 : ENOENT, &m, known ? sizeof(m) : 0);
		return;
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out m = { .attr = attr_of(h, in->nodeid) };

		answer(device, in->unique, 0, &m, sizeof(m));
		return;
	}
	case FUSE_OPEN: {
		struct fuse_open_out m = { .fh = 1 };

		answer(device, in->unique, 0, &m, sizeof(m));
		return;
	}
	case FUSE_READ:
		answer_read(h, device, in);
		return;
	case FUSE_STATFS: {
		struct fuse_statfs_out m = { .st = { .bsize = PAGE, .namelen = 255 } };

		answer(device, in->unique, 0, &m, sizeof(m));
		return;
	}
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		answer(device, in->unique, 0, NULL, 0);
		return;
	default:
		answer(device, in->unique, ENOSYS, NULL, 0);
	}
}

static _Noreturn void serve(struct hang *h, int device, pid_t parent)
{
	static char request[REQUEST_MAX] __attribute__((aligned(8)));

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		exit(1);
	for (;;) {
		ssize_t n = read(device, request, sizeof(request));

		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			serve_one(h, device, (const void *)request);
		else if (n < 0 && errno != EINTR && errno != ENOENT)
			exit(0);
	}
}

/* The mount, and who we are. */

static void become(const struct hang *h)
{
	if (setgroups(0, NULL) < 0 || setresgid(h->uid, h->uid, h->uid) < 0 ||
	    setresuid(h->uid, h->uid, h->uid) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		die("another user");
}

static int mount_it(const struct hang *h, const char *device, bool by_user)
{
	char text[128];
	int fd;

	if (by_user) {
		become(h);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			die("user namespace");
		put_text("/proc/self/setgroups", "deny");
		snprintf(text, sizeof(text), "%u %u 1", h->uid, h->uid);
		put_text("/proc/self/uid_map", text);
		put_text("/proc/self/gid_map", text);
	} else if (unshare(CLONE_NEWNS) < 0 ||
		   mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		die("mount namespace");
	}
	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(device);
	snprintf(text, sizeof(text), "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", fd,
		 h->uid, h->uid);
	if (mount("hostile", h->mount, "fuse", MS_NOSUID | MS_NODEV, text) < 0)
		die("mount");
	return fd;
}

/* What is sampled. */

/* push rbp; mov rbp, rsp; again: dec rdi; jnz again; pop rbp; ret */
static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0xff,
				      0xcf, 0x75, 0xfb, 0x5d, 0xc3 };

static void spin_in(void *function, double seconds)
{
	uint64_t end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	void (*fn)(uint64_t);

	memcpy(&fn, &function, sizeof(fn));
	/* Seldom: the machine is to be busy with the attack and not with this. */
	while (load_now(CLOCK_MONOTONIC) < end) {
		fn(3000000);
		usleep(50000);
	}
}

static void *made_code(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	memcpy(p, code, sizeof(code));
	return p;
}

/* The function of a copy of LIB at @path. */
static void *loaded_code(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return dlsym(lib, "own_entry");
}

static void hangs(const struct hang *h)
{
	atomic_store(h->on, true);
	puts("hangs");
	fflush(stdout);
}

static char *file_of(const struct hang *h)
{
	static char path[640];

	snprintf(path, sizeof(path), "%s/" FILE_NAME, h->mount);
	return path;
}

static void *touch(void *page)
{
	*(volatile char *)page;
	return NULL;
}

static void *change(void *unused)
{
	for (;;) {
		void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(p, PAGE);
		usleep(1000);
	}
	return NULL;
}

/* All that this thread will need is in memory before the others begin. */
static void under_lock(struct hang *h, double seconds)
{
	char path[640];
	pthread_t thread;
	void *entry, *page;
	int fd = open(file_of(h), O_RDONLY | O_CLOEXEC);

	snprintf(path, sizeof(path), "%s/own-%d.so", h->dir, getpid());
	template_write(&h->image, path, "only_000001");
	entry = loaded_code(path);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (FILE_PAGES - 1) * PAGE);
	if (fd < 0 || page == MAP_FAILED)
		die(file_of(h));
	((void (*)(uint64_t))entry)(1);
	hangs(h);
	pthread_create(&thread, NULL, touch, page);
	usleep(200000);
	pthread_create(&thread, NULL, change, NULL);
	usleep(100000);
	spin_in(entry, seconds);
}

static void in_exec(struct hang *h, double seconds)
{
	char *argv[] = { "/bin/true", NULL };
	uint64_t end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);

	hangs(h);
	for (int i = 0; i < CHILDREN_MAX && load_now(CLOCK_MONOTONIC) < end; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (open(file_of(h), O_RDONLY | O_CLOEXEC) < 0)
				die(file_of(h));
			spin_in(made_code(), CHILD_SECONDS);
			execv(argv[0], argv);
			exit(1);
		}
		usleep(500000);
	}
	sleep((unsigned int)seconds);
}

static void work(struct hang *h, double seconds)
{
	if (h->opcode == FUSE_READ) {
		under_lock(h, seconds);
	} else if (h->opcode == FUSE_FLUSH) {
		in_exec(h, seconds);
	} else if (h->opcode == FUSE_LOOKUP) {
		hangs(h);
		spin_in(made_code(), seconds);
	} else {
		void *entry = loaded_code(file_of(h));

		((void (*)(uint64_t))entry)(1);
		hangs(h);
		spin_in(entry, seconds);
	}
}

static uint32_t opcode_of(const char *kind)
{
	static const struct {
		const char *kind;
		uint32_t opcode;
	} kinds[] = { { "lookup", FUSE_LOOKUP }, { "open", FUSE_OPEN },
		      { "read", FUSE_READ },	 { "getattr", FUSE_GETATTR },
		      { "flush", FUSE_FLUSH },	 { "statfs", FUSE_STATFS } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].opcode;
	exit(2);
}

int main(int argc, char *argv[])
{
	pid_t parent = getpid();
	struct hang h = { 0 };
	int device;

	if (argc != 8)
		return 2;
	h.opcode = opcode_of(argv[1]);
	h.lib = argv[3];
	h.dir = argv[4];
	h.uid = (uid_t)strtoul(argv[6], NULL, 10);
	h.on = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h.on == MAP_FAILED)
		die("mmap");
	template_load(&h.image, h.lib);
	if (h.opcode == FUSE_LOOKUP)
		snprintf(h.mount, sizeof(h.mount), "/tmp");
	else
		snprintf(h.mount, sizeof(h.mount), "%.400s/mnt", h.dir);
	device = mount_it(&h, argv[2], strcmp(argv[7], "user") == 0);
	if (fork() == 0) {
		if (getuid() == 0)
			become(&h);
		serve(&h, device, parent);
	}
	close(device);
	if (getuid() == 0)
		become(&h);
	work(&h, strtod(argv[5], NULL));
	return 0;
}
