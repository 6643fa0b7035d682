/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* symbolize-internal — what the files of src/symbolize share. */

#include "cprof/base/seqpacket.h"
#include "cprof/base/share.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/symbolize_kernel.h"

/* An object is given to this many symbolizers; whoever dies of it is not followed by more. */
#define OBJECT_TRIES_MAX 3
/* Requests for names on their way at once: enough to hide the round trip, few to ask again. */
#define ASKS_MAX 8

/* Pages whose rows are wanted; no more than a question holds. */
struct page_list {
	uint32_t cnt;
	uint32_t v[WIRE_PAGES_MAX]; /* ascending */
};

/* What symbolize keeps for an object beyond the table's facts, in the place of its slot. */
struct work {
	struct cprof_announce last; /* how it was announced last; head.size 0: never */
	uint32_t object;	 /* another one: its slot was taken over, and this is of the past */
	uint64_t asked_ns;	 /* of the opener or the symbolizer, whoever is at it */
	uint64_t pause_until_ns; /* not to be opened before */
	uint32_t tries;
	uint32_t user; /* whose turn opened it: index of users */
	uint32_t
		keeper; /* whose it is while it waits for its rows: another may have it opened meanwhile */
	uint8_t failures;  /* in a row, to open it */
	uint8_t lost;	   /* in a row, tables that were dropped before they could be asked */
	uint8_t weight;	   /* what it counts for while it is at work */
	bool waits;	   /* in the queue of its user */
	bool jit;	   /* in the list of those */
	bool has_map;	   /* a perf map was read */
	bool lives;	   /* the opener found its process */
	bool word_due;	   /* the opener was asked for it, and has not said what became of it */
	bool gone;	   /* the opener found its process gone: nothing is asked for any more */
	bool limited;	   /* put off, and counted */
	bool rows_due;	   /* its rows were not told yet */
	uint32_t uses;	   /* stacks that met it meanwhile */
	uint64_t rows_ns;  /* since when they are due */
	uint64_t begun_ns; /* when its reading was asked for */
	uint64_t views;	   /* those in whose list of files it is, a bit each */
	struct page_list *pages; /* wanted; NULL: none */
	uint64_t pages_next_ns;	 /* not to be asked for before */
	bool paged;		 /* its rows come by the page */
	bool pages_open;	 /* the symbolizer has it open for those */
	bool pages_wait;	 /* in the list of those that are wanted */
	uint64_t missed; /* those whose stacks wanted its names and are not looked at any more */
	bool held;	 /* the symbolizer has it open for its lines or names */
	bool lean;	 /* and to read its names */
	bool user_gone;	 /* the process that was met last with it */
	bool lined_by_debug;	 /* which its debug file tells */
	uint64_t reread_ns;	 /* then it may be read once more for them, not before */
	bool met;		 /* by a new stack, since that was looked at last */
	uint64_t lines_used_ns;	 /* when it was met, to a second */
	uint64_t lines_await_ns; /* until when names wait for its lines; 0: they do not */
	uint64_t user_start_ns;	 /* of the process that was met last with it */
	uint32_t user_pid;
	uint64_t reading; /* its perf map was read then: all its places are to be asked for anew */
	bool companions_wait;	       /* in the queue of those */
	uint32_t companions_left;      /* that may be opened yet */
	uint64_t companions_refill_ns; /* then there are more */
	uint64_t companions_views;     /* those whose places they would tell of, a bit each */
};

#define OPENS_USERS_MAX 64
#define OPENS_WAIT_MAX 128

/* A user whose processes announce files. */
struct opens_user {
	uint64_t due_ns; /* when the bucket is full */
	uint32_t uid;
	uint32_t busy; /* files of his with the opener or the symbolizer */
	uint32_t open; /* whose rows are due: the symbolizer has them open */
	uint32_t first, cnt;
	uint32_t waiting[OPENS_WAIT_MAX]; /* a ring of objects */
	bool used;
};

/* A stack of the window that waits for files to be opened. */
struct awaiting {
	uint32_t stack;
	uint64_t until_ns;
};

/* A place without a name yet. */
struct want {
	uint32_t object;
	uint64_t offset;
};

/* A request on its way. */
struct ask {
	struct symbolize_view *view; /* whose places they are; NULL: gone meanwhile */
	uint64_t id;
	uint64_t asked_ns;
	uint32_t object;
	uint32_t cnt;
	uint64_t *offsets;
};

/* A file whose rows are being made, with or without its separate debug file. */
struct making {
	uint32_t object; /* 0: none */
	bool begun;	 /* the symbolizer is at it */
};

#define DEBUGS_WAIT_MAX 128

/* A file whose debug file is to be looked for. */
struct debug_want {
	uint32_t object;
	uint32_t part; /* what the file says less of: bits of enum wire_part */
	uint32_t link_len;
	char link[WIRE_LINK_MAX];
};

/* One at a time. */
struct debugs {
	struct making making;
	struct debug_want now; /* of making.object */
	uint32_t place;	       /* where it was found */
	uint32_t user;	       /* who pays for it */
	uint64_t since_ns;     /* when it was asked for */
	bool finding;	       /* the opener has not answered */
	bool named;	       /* the symbolizer said that it has more names */
	bool other;	       /* the symbolizer was faster: it is not the right one */
	uint32_t first, cnt;
	struct debug_want waiting[DEBUGS_WAIT_MAX]; /* a ring */
};

#define COMPANIONS_WAIT_MAX 128

/* Files that debugging information goes on in: of one object at a time, one after the other. */
struct companions {
	struct making making;		 /* of which object; begun: the symbolizer is at one */
	struct wire_open_companion find; /* what was asked of the opener last, without its texts */
	char name[WIRE_PATH_MAX], dir[WIRE_PATH_MAX];
	uint32_t place;	       /* where it was found */
	uint32_t user;	       /* who pays for it */
	uint64_t since_ns;     /* when it was asked for */
	bool finding;	       /* the opener has not answered */
	bool taking;	       /* nor the symbolizer, to whom it may have been passed on */
	bool other;	       /* the symbolizer was faster: it is not the right one */
	uint32_t tried, taken; /* of this object, since places were asked for again */
	uint32_t first, cnt;
	uint32_t waiting[COMPANIONS_WAIT_MAX]; /* a ring of objects */
};

struct symbolize_view {
	struct symbolize *s;
	const struct window *w;
	uint64_t bit; /* in a work's sets of views */
	unsigned int slot;
	size_t scanned;	     /* stacks whose places were looked at */
	size_t processes;    /* those whose executables were */
	bool begun;	     /* all of that at least once */
	bool rescan;	     /* places of any stack seen before may have become nameable */
	bool ready;	     /* an object became ready: those of stacks that waited may have */
	uint64_t rescan_ns;  /* not before */
	uint64_t closed_ns;  /* when the window ended; 0: it did not */
	uint64_t readings;   /* places of what was read later are to be asked for anew */
	VEC(uint32_t) files; /* of its own stacks, that may still come, or change */
	VEC(struct awaiting) awaiting;
	VEC(struct want) wants; /* sorted, those from wants_next on still to be asked */
	size_t wants_next;
	VEC(struct want) patient; /* sorted, and asked for with the next whole question */
	unsigned int asks_cnt;	  /* on their way */
	VEC(struct want) limited; /* places whose names found no room: not asked for again */
	bool limited_sorted;
};

struct symbolize {
	struct symbolize_opts opts;
	int opener_fd;
	int symbolizer_fd;
	uint64_t next_id;
	VEC(struct work) works;
	struct symbolize_view *views[SYMBOLIZE_VIEWS_MAX];
	unsigned int views_turn; /* who asks next */
	uint64_t readings;	 /* of perf maps and of the kernel's names */
	struct ask asks[ASKS_MAX];
	unsigned int asks_cnt;
	unsigned int opening;		  /* objects at the opener */
	unsigned int loading;		  /* objects at the symbolizer */
	bool kernel_tried;		  /* the kernel's names were found not to be had */
	bool vdso_tried;		  /* likewise the vDSO's */
	VEC(struct symbolize_code) codes; /* of the kernel, that came or went; a ring when full */
	size_t codes_next;
	VEC(uint64_t) code_places; /* of BPF programs, whose lines are to be asked for */
	uint64_t kernel_text_end;
	uint64_t kernel_reload_ns; /* not before */
	bool kernel_changed;	   /* since its names were asked for */
	bool kernel_unknown;	   /* and nobody told what came or went */
	bool kernel_read;	   /* by this symbolizer */
	bool kernel_outside;	   /* a place outside of its text was met */
	uint64_t kernel_reading;   /* such places are to be asked for anew since */
	VEC(uint32_t) rows;	   /* objects whose rows are still to be asked for */
	VEC(uint32_t) rows_again;  /* objects that were closed meanwhile */
	VEC(uint32_t) paging;	   /* objects of which further pages are wanted */
	struct making making;	   /* the one that was */
	uint64_t rows_next_ns;	   /* not before */
	struct debugs debugs;
	struct companions companions;
	VEC(uint32_t) held; /* files that are open for their lines or names */
	uint64_t lines_tick_ns;
	bool deferred;	    /* what costs much is put off */
	VEC(uint32_t) jits; /* objects of run-time code whose names were wanted */
	struct opens_user users[OPENS_USERS_MAX];
	uint32_t turn;
	uint32_t waiting;	  /* in the queues of all users */
	struct shares shares;	  /* of names, by the owners of their files */
	uint64_t opener_heard_ns; /* when it last said something true, or was new */
	uint64_t symbolizer_heard_ns;
	uint64_t answers;      /* of symbolizers */
	bool symbolizer_spoke; /* since it is ours */
	uint8_t doublings;     /* of the patience with it */
	uint64_t retry_ns;     /* when to ask the opener again for what it FAILED at; 0: nothing */
	uint8_t buf[WIRE_MESSAGE_MAX] __attribute__((aligned(8)));
};

/* symbolize.c */
/* NULL: no memory, or no such object. Valid until the next call. */
struct work *symbolize_work(struct symbolize *s, uint32_t object);
void symbolize_set_state(struct symbolize *s, uint32_t object, enum object_state state,
			 uint64_t now_ns);

/* Sends what waits to be sent. */
void symbolize_pump(struct symbolize *s, uint64_t now_ns);
/* May it be opened again by what is remembered of it? */
bool symbolize_is_to_retry(struct symbolize *s, uint32_t object);
/* Does the symbolizer owe anything? */
bool symbolize_is_owed(const struct symbolize *s);
/* Then at the latest what is SEEN is opened again. */
void symbolize_retry_at(struct symbolize *s, uint64_t at_ns);
bool *symbolize_tried(struct symbolize *s, uint32_t object);

/* files.c */
/* False: the opener takes nothing now, and it should be asked again. */
bool symbolize_open(struct symbolize *s, uint32_t object, uint64_t now_ns);
int symbolize_on_object(struct symbolize *s, const struct wire_object *m, uint64_t now_ns);
void symbolize_table_lost(struct symbolize *s, uint32_t object, uint64_t now_ns);

/* rows.c */
/* The file was opened: its rows are due. */
void rows_want(struct symbolize *s, uint32_t object, uint64_t now_ns);
/* The same, and nothing is asked for yet; false: no memory. */
bool rows_queue(struct symbolize *s, uint32_t object, uint64_t now_ns);
/* They are not, or no more. */
void rows_undue(struct symbolize *s, uint32_t object);
/* Asks for the next ones when it is time. */
void rows_pump(struct symbolize *s, uint64_t now_ns);
/* Borrows the descriptor that came with it, or -EBADF. 0 or -EBADMSG. */
int symbolize_on_rows(struct symbolize *s, const struct wire_rows *m, int fd, uint64_t now_ns);
/* The same where the rows are due: 0, -EBADMSG: it lies; -ENOMEM and others: they cannot be had. */
int rows_take(struct symbolize *s, const struct wire_rows *m, int fd);
/* The symbolizer is gone: which file did it, by what it said last; 0: it said nothing. */
uint32_t rows_lost(struct symbolize *s);
/* It is to close the file. */
void rows_close(struct symbolize *s, uint32_t object);

/* pages.c */
/* Of those that are due, or to be read again, the next step. */
void pages_pump(struct symbolize *s, uint64_t now_ns);
/* Asks for rows of it: all, or of a large file pages. 0 or a negative error: not now. */
int pages_ask(struct symbolize *s, uint32_t object);
/* Its rows came, by the page or not, or its file was closed. */
void pages_told(struct symbolize *s, const struct wire_rows *m, uint64_t now_ns);
/* Nothing is known of it any more. */
void symbolize_reset_work(struct work *w);
/* The symbolizer is gone. */
void pages_lost(struct symbolize *s);

/* debugs.c */
/* Of its code something is not known: its debug file is looked for. */
void debugs_want(struct symbolize *s, const struct wire_rows *m, uint64_t now_ns);
void debugs_pump(struct symbolize *s, uint64_t now_ns);
void debugs_on_opened(struct symbolize *s, const struct wire_debug_opened *m, uint64_t now_ns);
/* The symbolizer's word on the debug file; as symbolize_on_rows(). */
int debugs_on_rows(struct symbolize *s, const struct wire_rows *m, int fd, uint64_t now_ns);
/* The symbolizer's word that a file, which it told of before, has more names; false: it has no reason to. */
bool debugs_on_object(struct symbolize *s, const struct wire_object *m, uint64_t now_ns);
/* That one has none now. */
void debugs_end(struct symbolize *s, uint64_t now_ns);

/* companions.c */
/* Its debugging information goes on in further files, for places of this view, which may be NULL. */
void companions_want(struct symbolize *s, uint32_t object, struct symbolize_view *v,
		     uint64_t now_ns);
void companions_pump(struct symbolize *s, uint64_t now_ns);
void companions_on_opened(struct symbolize *s, const struct wire_companion_opened *m,
			  uint64_t now_ns);
/* The symbolizer's word; 0 or -EBADMSG. */
int companions_on_word(struct symbolize *s, const struct wire_companion *m, uint64_t now_ns);
/* The opener is gone; what it was looking for may have been its end. */
void companions_opener_lost(struct symbolize *s, uint64_t now_ns);
/* The symbolizer is. */
void companions_lost(struct symbolize *s);
/* It owes a word. */
bool companions_are_owed(const struct symbolize *s);
/* They may still tell more of the view's places. */
bool companions_are_awaited(const struct symbolize_view *v, const struct work *w);

/* opens.c */
/* The symbolizer keeps it open, and no more. */
void opens_keep(struct symbolize *s, struct work *w);
void opens_let_go(struct symbolize *s, const struct work *w);
/* Takes so much from the bucket of the user who had it opened; false: there is not so much left. */
bool opens_spend(struct symbolize *s, const struct work *w, uint64_t cost_ns, uint64_t now_ns);
/* It was less than that. */
void opens_refund(struct symbolize *s, uint32_t user, uint64_t ns);
/* Has it opened when it is its user's turn; false: that is put off. */
bool opens_put(struct symbolize *s, uint32_t object, uint64_t now_ns);
void opens_pump(struct symbolize *s, uint64_t now_ns);
/* What came of its file is forgotten, and it is opened anew where that may be. */
void opens_again(struct symbolize *s, uint32_t object, uint64_t now_ns);
/* It could not be opened, or its table was lost: a pause. */
void opens_failed(struct symbolize *s, uint32_t object, uint64_t now_ns);

/* views.c */
/* Its window waits for the object; true: that is new. Without memory it is not waited for. */
bool view_await(struct symbolize_view *v, uint32_t object);
/* Likewise, and all its stacks are looked at again when the object is ready. */
void view_await_all(struct symbolize_view *v, uint32_t object);
/* Drops from its list what will not come, or has come. */
void view_settle(struct symbolize_view *v);
/* In all windows places of stacks seen before may have become nameable. */
void views_look_again(struct symbolize *s);
/* There is room for names again. */
void views_room(struct symbolize *s);
/* The object became ready: those who wait for it see that. */
void views_ready(struct symbolize *s, struct work *w);

/* lines.c */
/* It is open for its rows, too. */
void lines_hold(struct symbolize *s, uint32_t object, uint64_t now_ns);
/* Its debug file tells lines. */
void lines_debug(struct symbolize *s, uint32_t object, uint64_t now_ns);
/* The symbolizer's word on a file: what it is open for, bits of enum wire_lined. */
void lines_told(struct symbolize *s, uint32_t object, uint32_t lined, uint64_t now_ns);
/* A place of it is to be asked for; true: not yet, the file is on its way. */
bool lines_want(struct symbolize_view *v, uint32_t object, uint64_t now_ns);
void lines_opened(struct symbolize *s, uint32_t object, const struct wire_opened *m);
/* It is not open. */
void lines_closed(struct symbolize *s, uint32_t object);
void lines_tick(struct symbolize *s, uint64_t now_ns);
/* The symbolizer is gone. */
void lines_lost(struct symbolize *s);

/* jit.c */
bool jit_is(struct symbolize *s, uint32_t object);
/* True when the place is to be asked for now; its map is read when that is due. */
bool jit_want(struct symbolize_view *v, uint32_t object, uint64_t offset, uint64_t now_ns);
void jit_tick(struct symbolize *s, uint64_t now_ns);
/* The view's window ends: what it has of such code is read once more. */
void jit_close(struct symbolize_view *v, uint64_t now_ns);
/* It was put off, and the end of the window is to wait for it. */
bool jit_is_put_off(const struct symbolize_view *v, const struct work *w);
void jit_opened(struct symbolize *s, uint32_t object, const struct wire_opened *m, uint64_t now_ns);
void jit_loaded(struct symbolize *s, uint32_t object, const struct wire_object *m, uint64_t now_ns);
/* False: there is nothing to remember. Takes the name away from a place that had another. */
bool jit_take_name(struct symbolize *s, const struct ask *ask, uint64_t offset, struct name *name);

/* kernel.c */
bool kernel_is_outside(const struct symbolize *s, uint64_t place);
/* A question about the kernel was sent. */
void kernel_asked(struct symbolize *s);
void kernel_tick(struct symbolize *s, uint64_t now_ns);
/* Says better, or takes away, the name that the symbolizer gave; false: nothing is to change. */
bool kernel_take_name(struct symbolize *s, uint64_t place, struct name *name);
/* All names of an answer were taken: asks for the lines of those that are BPF programs'. */
void kernel_code_lines(struct symbolize *s);

/* wants.c */
/* The place's name found no room. */
bool wants_is_limited(struct symbolize_view *v, uint32_t object, uint64_t offset);
void wants_limit(struct symbolize_view *v, uint32_t object, uint64_t offset);
int wants_scan(struct symbolize_view *v, bool urgent, uint64_t now_ns);

/* answers.c */
int symbolize_on_named(struct symbolize *s, const struct wire_named *m, uint64_t now_ns);
void symbolize_asks_drop(struct symbolize *s);

/* What was told of names is asked for once more. */
void trust_doubt(struct symbolize *s);
