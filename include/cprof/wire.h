/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wire — the messages between the roles (launcher, sampler, opener, symbolizer).
 *
 * SOCK_SEQPACKET, fixed little-endian headers, bounded payload, request id echoed, descriptors by
 * SCM_RIGHTS. Nobody believes a weaker role: wire_check() verifies type, sizes and counts of a
 * message before anything of it is used; strings carry a length and are not terminated.
 *
 *	launcher -> role	PEER (a socket to a neighbour), KALLSYMS (a descriptor), STOP
 *	role -> launcher	READY, SANDBOX (what it is confined by)
 *	launcher -> sampler	SANDBOX (how many ends by a forbidden call)
 *	sampler -> launcher	PEER without a socket: replace this role, it hangs or lies
 *   of the daemon alone:
 *	launcher -> sampler	CONFIG, SPOOL (the directory), ROLES (what all cost, whether a reload failed)
 *	launcher -> front	CONFIG, SPOOL (to read), LISTEN (a socket)
 *	sampler -> launcher	STATE, PROGRESS
 *	sampler -> opener	OPEN, OPEN_DEBUG, OPEN_COMPANION, MAPS
 *	opener -> sampler	OPENED, DEBUG_OPENED, COMPANION_OPENED, MAPPED
 *	opener -> symbolizer	FILE, DEBUG_FILE, COMPANION_FILE (with the descriptor)
 *	symbolizer -> sampler	OBJECT, ROWS (with a memfd), NAMED, COMPANION
 *	sampler -> symbolizer	NAMES, MAKE_ROWS, MAKE_PAGES, NEXT_COMPANION, CLOSE, RELEASE, FORGET
 *
 * A role is started with one descriptor, WIRE_CONTROL_FD, to the launcher; all others come by PEER,
 * at the start and again whenever a neighbour was restarted (the new end replaces the old).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cprof/abi.h"
#include "cprof/config.h"
#include "cprof/object.h"

#define WIRE_CONTROL_FD 3
#define WIRE_MESSAGE_MAX 65536
#define WIRE_PATH_MAX 4096
#define WIRE_NAME_MAX 4096
#define WIRE_NAMES_MAX 1024

enum wire_type {
	WIRE_PEER = 1,
	WIRE_KALLSYMS,
	WIRE_STOP,
	WIRE_READY,
	WIRE_OPEN,
	WIRE_OPENED,
	WIRE_FILE,
	WIRE_OBJECT,
	WIRE_NAMES,
	WIRE_NAMED,
	WIRE_FORGET,
	WIRE_MAPS,
	WIRE_MAPPED,
	WIRE_CONFIG,
	WIRE_SPOOL,
	WIRE_LISTEN,
	WIRE_ROLES,
	WIRE_STATE,
	WIRE_PROGRESS,
	WIRE_ROWS,
	WIRE_MAKE_ROWS,
	WIRE_CLOSE,
	WIRE_OPEN_DEBUG,
	WIRE_DEBUG_OPENED,
	WIRE_DEBUG_FILE,
	WIRE_RELEASE,
	WIRE_SANDBOX,
	WIRE_NEXT_COMPANION,
	WIRE_COMPANION,
	WIRE_OPEN_COMPANION,
	WIRE_COMPANION_OPENED,
	WIRE_COMPANION_FILE,
	WIRE_MAKE_PAGES,
	WIRE_TYPE_MAX,
};

enum wire_role {
	WIRE_ROLE_SAMPLER = 1,
	WIRE_ROLE_OPENER,
	WIRE_ROLE_SYMBOLIZER,
	WIRE_ROLE_CLIENT,
	WIRE_ROLE_FRONT,
	WIRE_ROLE_MAX,
};

struct wire_head {
	uint32_t size; /* of the whole message */
	uint16_t type; /* enum wire_type */
	uint16_t pad;
	uint64_t id; /* the request's, echoed in its answers */
};

/* STOP, READY and PROGRESS are a bare head; KALLSYMS and SPOOL too, with the descriptor. */
struct wire_peer {
	struct wire_head head;
	uint32_t role; /* enum wire_role: whose end came with it */
	uint32_t pid;  /* its process; 0: not told */
};

/* At the start, and again after a reload. A sampler that gets one samples the machine by itself. */
struct wire_config {
	struct wire_head head;
	struct config config;
	uint32_t
		control_gid; /* of [Control] Group=, whose members may see all; UINT32_MAX: nobody */
	uint32_t pad;
};

enum wire_listen_kind { WIRE_LISTEN_HTTP, WIRE_LISTEN_SESSION, WIRE_LISTEN_MAX };

/* A listening socket, with the descriptor. */
struct wire_listen {
	struct wire_head head;
	uint32_t kind; /* enum wire_listen_kind */
	uint32_t pad;
};

enum wire_layer { WIRE_LAYER_CALLS = 1, WIRE_LAYER_PATHS = 2, WIRE_LAYER_ALL = 3 };

/*
 * A role says, once, which layers are in force, and which it asked for and did not get: the kernel has no
 * seccomp, or no Landlock. The launcher tells the sampler how many roles were ended for a call that they may
 * not make, so far.
 */
struct wire_sandbox {
	struct wire_head head;
	uint16_t layers; /* of enum wire_layer */
	uint16_t missing;
	uint32_t violations;
};

#define WIRE_COSTS_MAX 8

/* What a role costs, measured by the launcher, which alone may look. */
struct wire_cost {
	uint64_t cpu_ns; /* of all its processes so far */
	uint64_t pss_bytes;
	uint32_t role; /* enum wire_role; 0: the launcher */
	uint32_t pid;  /* 0: not running */
	uint32_t restarts;
	uint16_t layers; /* as in struct wire_sandbox; none: it said nothing yet */
	uint16_t missing;
};

#define WIRE_PROBLEM_SZ 256

/* How it goes at the launcher's: again and again, so that a new sampler knows it too. */
struct wire_roles {
	struct wire_head head;
	uint32_t cnt;
	uint32_t problem_len;
	struct wire_cost costs[WIRE_COSTS_MAX];
	char problem[WIRE_PROBLEM_SZ]; /* why the last reload failed; clean, not terminated */
};

enum wire_state_kind {
	WIRE_STATE_SAMPLING, /* the first tick may come: the daemon is ready */
	WIRE_STATE_DEGRADED, /* it samples; the text says what works less well */
	WIRE_STATE_FAILED,   /* it cannot sample; the text says why and what to do */
	WIRE_STATE_RELOADED, /* the new configuration is in force, but for what the text says */
	WIRE_STATE_MAX,
};

#define WIRE_STATE_TEXT_SZ 512

struct wire_state {
	struct wire_head head;
	uint32_t kind; /* enum wire_state_kind */
	uint32_t text_len;
	char text[WIRE_STATE_TEXT_SZ]; /* clean; not terminated */
};

struct wire_open {
	struct wire_head head; /* id: the object index */
	struct cprof_key key;
	uint64_t start_ns;
	uint64_t vm_start; /* 0: /proc/PID/exe */
	uint64_t vm_end;
	uint32_t pid;
	uint32_t owner; /* of the inode */
	uint32_t kind;	/* enum wire_file_kind */
	uint32_t uid;	/* WIRE_FILE_PERF_MAP: the effective uid of the process */
};

enum wire_file_kind {
	WIRE_FILE_ELF,
	/* The jitdump or /tmp/perf-PID.map of a process, of which only pid, start_ns and uid count. */
	WIRE_FILE_PERF_MAP,
	WIRE_FILE_LINES, /* an ELF file again, for its lines, wherever the process has it mapped */
	WIRE_FILE_KIND_MAX,
};

enum wire_opened_status {
	WIRE_OPENED_OK,	     /* sent to the symbolizer */
	WIRE_OPENED_GONE,    /* the process or the mapping is gone */
	WIRE_OPENED_CHANGED, /* another file than the key says */
	WIRE_OPENED_REFUSED, /* not a regular file */
	WIRE_OPENED_FAILED,  /* no symbolizer to send it to, or another fault: ask again later */
	WIRE_OPENED_NONE,    /* the process lives and has neither of them, or none yet */
	WIRE_OPENED_HUNG, /* the process could not be looked at in time, now or a while ago: not through it */
	WIRE_OPENED_MAX,
};

#define WIRE_OPENED_AGAIN_NS 50000000ull /* later: that much, once it failed */

struct wire_opened {
	struct wire_head head;
	uint32_t status; /* enum wire_opened_status */
	uint32_t
		path_len; /* bytes of the path behind, at most WIRE_PATH_MAX; raw as the kernel gave it */
};

#define WIRE_LINK_MAX 255

/*
 * The separate debug file of an object (id), which lacks unwinding information or symbols: by its build id, or by the
 * name that the object says (link_len bytes behind) where its own path (path_len bytes behind that) is or
 * below the directory of debug files. A file that is there may turn out to be another one's, so the places
 * are counted, and the search goes on @from one.
 */
struct wire_open_debug {
	struct wire_head head;
	uint64_t start_ns; /* of a process that has it mapped: its root comes first, then our own */
	uint32_t pid;
	uint32_t owner; /* of the object: the debug file is its, or root's */
	uint32_t from;
	uint16_t link_len; /* at most WIRE_LINK_MAX; 0: none */
	uint16_t path_len; /* at most WIRE_PATH_MAX; 0: not known */
	uint32_t build_id_sz;
	uint8_t build_id[OBJECT_BUILD_ID_MAX];
	uint32_t pad;
};

struct wire_debug_opened {
	struct wire_head head; /* id: the object index */
	uint32_t status;       /* WIRE_OPENED_OK, _NONE: there is none (more), _FAILED, _HUNG */
	uint32_t place;	       /* where it was */
};

/* id: the object index, whose FILE came before; with the descriptor. It is answered with ROWS. */
struct wire_debug_file {
	struct wire_head head;
	uint64_t file_sz;
};

enum wire_companion_kind {
	WIRE_COMPANION_SUPPLEMENT, /* what dwz took out of several files */
	WIRE_COMPANION_UNIT,	   /* split DWARF: a .dwo, or a .dwp with all of them */
	WIRE_COMPANION_KIND_MAX,
};

/* A file that an object's debugging information goes on in, as that says. Behind: its name, and dir. */
struct wire_companion_want {
	uint32_t number;   /* of the object's */
	uint32_t kind;	   /* enum wire_companion_kind */
	uint16_t name_len; /* at most WIRE_PATH_MAX, not 0: a path, raw, and without a NUL */
	uint16_t dir_len;  /* that it counts from, likewise; 0: the object's own */
	uint32_t build_id_sz;
	uint8_t build_id[OBJECT_BUILD_ID_MAX]; /* of a supplement */
};

enum wire_companion_status {
	WIRE_COMPANION_NONE,   /* nothing is wanted (any more) */
	WIRE_COMPANION_WANTED, /* this one, as it says */
	WIRE_COMPANION_BEGUN, /* no answer yet: whatever happens to the symbolizer now, this file did it */
	WIRE_COMPANION_TAKEN, /* places that were NAMED in part are to be asked for again */
	WIRE_COMPANION_OTHER, /* it is another one */
	WIRE_COMPANION_STATUS_MAX,
};

/*
 * NEXT_COMPANION has a bare head, whose id is the object index, and asks which file is wanted next of those that NAMED
 * said there are; each is told once, until the object is RELEASEd. This answers it, and the file. What is
 * behind, and in @want beside its number, comes with WANTED only.
 */
struct wire_companion {
	struct wire_head head; /* id: the object index */
	uint32_t status;       /* enum wire_companion_status */
	uint32_t pad;
	struct wire_companion_want want;
};

/*
 * The same, looked for: as a debug file is, but what a stranger's file names must be one that the owner of
 * the object could read himself. Behind @want's texts: the object's own path.
 */
struct wire_open_companion {
	struct wire_head head; /* id: the object index */
	uint64_t start_ns; /* of a process that has it mapped: its root comes first, then our own */
	uint32_t pid;
	uint32_t owner;	   /* of the object */
	uint32_t from;	   /* the place */
	uint32_t path_len; /* at most WIRE_PATH_MAX; 0: not known */
	struct wire_companion_want want;
};

struct wire_companion_opened {
	struct wire_head head; /* id: the object index */
	uint32_t status;       /* WIRE_OPENED_OK, _NONE: there is none (more), _FAILED, _HUNG */
	uint32_t place;	       /* where it was */
	uint32_t number;
	uint32_t pad;
};

/* id: the object index; with the descriptor. It is answered with COMPANION. */
struct wire_companion_file {
	struct wire_head head;
	uint64_t file_sz;
	uint32_t number;
	uint32_t pad;
};

struct wire_file {
	struct wire_head head; /* id: the object index; with the descriptor */
	uint64_t file_sz;
	uint32_t owner;
	uint32_t kind; /* enum wire_file_kind */
};

enum wire_object_status {
	WIRE_OBJECT_READY,
	WIRE_OBJECT_UNNAMED, /* a proper ELF file without symbols; segments are valid */
	WIRE_OBJECT_BAD,     /* not ELF, or it lies */
	WIRE_OBJECT_LIMIT,   /* too large for the memory we may use */
	WIRE_OBJECT_CUT, /* ready, but the beginning of a perf map was too much, or a .gnu_debugdata */
	WIRE_OBJECT_MAX,
};

enum wire_lined {
	WIRE_LINED = 1, /* it tells lines */
	WIRE_LINED_NAMES =
		2, /* names are read from it as they are asked for, and all of them at RELEASE */
	WIRE_LINED_ALL = 3,
	WIRE_LINED_PAGES = 4, /* of ROWS: rows are read from it by the page */
};

/*
 * id: the object index. For the kernel only status and text_start count, for the vDSO only status. Comes once
 * more before the ROWS that answer DEBUG_FILE, when that file has more names: then only status and sources count. READY: what
 * was NAMED of the object before is to be asked for again; LIMIT: they are too much, and all stays as it is.
 */
struct wire_object {
	struct wire_head head;
	uint32_t status;     /* enum wire_object_status */
	uint32_t elf;	     /* enum object_elf */
	uint64_t text_start; /* kernel: _stext */
	uint64_t text_end;   /* kernel: _etext */
	uint32_t segments_cnt;
	uint32_t build_id_sz;
	struct object_segment segments[OBJECT_SEGMENTS_MAX];
	uint8_t build_id[OBJECT_BUILD_ID_MAX];
	uint32_t lined; /* bits of enum wire_lined; not 0: it stays open until RELEASE */
	uint32_t
		sources; /* of its names, and of its lines if it is lined: bits of enum object_source */
};

/*
 * RELEASE has a bare head too: nobody samples the file any more, so it is closed. When one that tells lines
 * is sampled again it comes as a FILE of kind WIRE_FILE_LINES, and of
 * the OBJECT that answers it only this counts: whether it is open. One whose debug file tells them is read anew.
 */

enum wire_rows_status {
	WIRE_ROWS_OK,
	WIRE_ROWS_NONE, /* the file has no unwinding information; and so the block */
	WIRE_ROWS_LIMIT, /* beyond the limits, or too much for the memory we may use: a part, or nothing */
	WIRE_ROWS_BAD,	 /* not ELF, or it lies: nothing */
	WIRE_ROWS_BEGUN, /* no answer yet: whatever happens to the symbolizer now, this file did it */
	WIRE_ROWS_GONE, /* the file was closed, for nobody asked in time: as if it had never been opened */
	WIRE_ROWS_OTHER, /* the debug file is another object's, or too large to tell: the rows stay */
	WIRE_ROWS_KEPT, /* the debug file is the object's, and had names: the rows stay */
	WIRE_ROWS_MAX,
};

/* What a file says less of than a separate debug file may. */
enum wire_part {
	WIRE_PART_ROWS = 1,  /* how to undo the frames of much of its code */
	WIRE_PART_NAMES = 2, /* what functions that nobody else may call are called */
	WIRE_PART_LINES = 4, /* of its source */
	WIRE_PART_ALL = 7,
};

#define WIRE_ROWS_BYTES_MAX (128ull << 20) /* the block's own check knows better */

/*
 * MAKE_ROWS and CLOSE have a bare head, whose id is the object index. A file stays open after its OBJECT until
 * it is asked for rows (which take long, so that the sampler says which come first), and after that only
 * while its separate debug file may come: until that was read, or CLOSE. None stays for longer than this.
 */
#define WIRE_FILE_OPEN_NS 5000000000ull

#define WIRE_PAGES_MAX 64

/*
 * As MAKE_ROWS, and of a large file that can be read so rows of these pages (of 64 KiB of the file) are enough (uint32_t
 * pages[cnt] behind, ascending). ROWS says whether it was (WIRE_LINED_PAGES): then the file stays open until RELEASE, and
 * can be asked so again, for other pages.
 */
struct wire_make_pages {
	struct wire_head head; /* id: the object index */
	uint32_t cnt;	       /* at most WIRE_PAGES_MAX */
	uint32_t pad;
};

/*
 * How the frames of an object's code are undone: the descriptor is a memfd of so many bytes, sealed for
 * good, that hold a block of cprof/rows.h; none comes with BEGUN, GONE, OTHER and KEPT. Answers MAKE_ROWS, MAKE_PAGES and
 * DEBUG_FILE; of the vDSO it follows the OBJECT.
 */
struct wire_rows {
	struct wire_head head; /* id: the object index */
	uint32_t status;       /* enum wire_rows_status */
	uint32_t part;	       /* bits of enum wire_part; 0: no debug file can say more */
	uint64_t bytes;
	uint32_t link_len; /* of the name of that file, which the file says; 0: it says none */
	uint32_t
		lined; /* bits of enum wire_lined: the debug file tells lines, and both stay open for them, or it stays open for PAGES */
	char link[WIRE_LINK_MAX + 1]; /* not terminated; no '/' in it, and no '.' in front */
};

/* Is this the name of a file in a directory, as a link may be: one that leads nowhere else? */
bool wire_link_is_valid(const char *name, size_t len);

/* Asks for the functions at offsets (uint64_t offsets[cnt] behind; addresses for the kernel). */
struct wire_names {
	struct wire_head head; /* id: the request */
	uint32_t object;
	uint32_t cnt; /* at most WIRE_NAMES_MAX */
};

/*
 * Answers the first @cnt of the request's offsets (fewer when the message is full: the rest is asked
 * again). Behind it, for each: struct wire_name, its lines, text_sz bytes. A text may stand anywhere in the
 * message, and be that of many. status is WIRE_OBJECT_BAD with cnt 0 when the symbolizer does not know the object (it was
 * restarted, or the file never came).
 */
struct wire_named {
	struct wire_head head; /* id: the request's */
	uint32_t object;
	uint32_t cnt;
	uint32_t status; /* enum wire_object_status */
	uint16_t closed; /* 1: lines are missing, for the file was released */
	uint16_t wants;	 /* 1: further files would tell more of some (NEXT_COMPANION) */
};

struct wire_name {
	uint64_t start;	    /* offset of the function's first byte, as the asked offset is given */
	uint32_t text_sz;   /* a multiple of 8 */
	uint16_t lines_cnt; /* at most WIRE_LINES_MAX; 0: no name */
	uint16_t part;	    /* 1: a further file would tell more */
};

struct wire_text {
	uint16_t at; /* from the message's beginning */
	uint16_t len;
};

/* A function at a place: what was inlined there, the innermost first, and last the one whose code it is. */
#define WIRE_LINES_MAX 128
struct wire_line {
	struct wire_text name;
	struct wire_text linkage; /* len 0: as the name */
	struct wire_text file;	  /* len 0: not known */
	uint32_t line; /* where it is, or calls the one before; this and the next 0: not known */
	uint32_t column;
	uint32_t start_line; /* where the function begins */
};

/* id: the object index whose table may be dropped. A bare head. */

/*
 * Where the walk of the mapping tree is switched off: which mappings hold these addresses of a process
 * (uint64_t addresses[cnt] behind, ascending)?
 */
#define WIRE_MAPS_MAX 256
struct wire_maps {
	struct wire_head head; /* id: the request */
	uint64_t start_ns;     /* of the process; CLOCK_BOOTTIME */
	struct cprof_key
		exe; /* its executable, so that no other program answers; all 0: not known */
	uint32_t pid;
	uint32_t cnt; /* at most WIRE_MAPS_MAX */
};

/* Answers all of them, in the order asked (struct wire_range[cnt] behind), or none (GONE). */
struct wire_mapped {
	struct wire_head head; /* id: the request's */
	uint32_t status;       /* WIRE_OPENED_OK, _GONE or _FAILED */
	uint32_t cnt;
};

enum wire_range_kind {
	WIRE_RANGE_NONE, /* there is no mapping, or none that holds code */
	WIRE_RANGE_FILE,
	WIRE_RANGE_ANON,
	WIRE_RANGE_VDSO,
	WIRE_RANGE_UNKNOWN, /* something is mapped, and it could not be looked at */
	WIRE_RANGE_MAX,
};

struct wire_range {
	uint64_t start;
	uint64_t end;
	uint64_t pgoff;	      /* in bytes */
	struct cprof_key key; /* as far as stat tells: sb and generation are 0 */
	uint32_t kind;	      /* enum wire_range_kind */
	/* Of a file, as in struct cprof_announce. */
	uint32_t owner;
	uint64_t fs_magic; /* 0: of a file system that we do not know */
	uint32_t mode;
	uint32_t foreign_userns;
};

/* One name in a NAMED message. */
struct wire_name_view {
	const struct wire_named *m;
	const struct wire_line *lines;
	uint64_t start;
	uint16_t lines_cnt;
	bool part;
};

/* A line with its texts, which are not terminated. */
struct wire_line_view {
	const char *name, *linkage, *file;
	uint16_t name_len, linkage_len, file_len;
	uint32_t line, column, start_line;
};

/*
 * Verifies a received message of @sz bytes, aligned to 8: a known type, exactly the size that its
 * counts and lengths make, all of them within their limits. Returns the type, or -EBADMSG. Never
 * reads beyond @sz.
 */
int wire_check(const void *msg, size_t sz);

/* Walks the names of a checked NAMED message: start with *pos = 0; 1 and *ret, 0 at the end. */
int wire_named_next(const struct wire_named *m, size_t *pos, struct wire_name_view *ret);
void wire_named_line(const struct wire_name_view *name, uint16_t i, struct wire_line_view *ret);

/* Texts that are in the message: equal ones are sent once. */
#define WIRE_TEXTS_KEPT 256
struct wire_named_writer {
	struct wire_named *m;
	size_t cap;    /* of its buffer */
	uint32_t last; /* where the last name begins; 0: there is none */
	struct wire_text kept[WIRE_TEXTS_KEPT];
};

/* @m has its head (size that of *m), object and status. */
void wire_named_writer_init(struct wire_named_writer *w, struct wire_named *m, size_t cap);
/*
 * Appends one name of @cnt lines. 0, or -ENOSPC when it does not fit; one that would fit into no message has its
 * function alone. Texts are cut at WIRE_NAME_MAX, lines at WIRE_LINES_MAX (the outermost stays); a linkage
 * name that is the name is not sent.
 */
int wire_named_add(struct wire_named_writer *w, uint64_t start, const struct wire_line_view *lines,
		   size_t cnt);
/* Of the last one that was added a further file would tell more. */
void wire_named_part(struct wire_named_writer *w);
