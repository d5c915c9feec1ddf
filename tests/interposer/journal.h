/* The journal of everything that changes files below one directory, and the faults that a test asks for.
 *
 * One lock is held over each change and the record of it, so the order of records is the order of changes.
 * A sync is recorded when it has returned, with the number of records that there were before it began: it
 * vouches for these and for no later one. What a kill leaves out of the journal was never acknowledged.
 *
 * The journal is written with plain system calls, so that it survives SIGKILL in the page cache. */

#ifndef JOURNAL_H
#define JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a record tells. `tests/src/power/journal.rs` reads the same numbers. */
enum kind {
	OPEN = 1,        /* path, inode; a = whether it was to be created, b = whether it was to be cut to nothing */
	MAKE_DIRECTORY,  /* path */
	RENAME,          /* path, other path */
	UNLINK,          /* path */
	REMOVE_DIRECTORY,/* path */
	LINK,            /* path, other path */
	WRITE,           /* inode, a = offset, bytes */
	RESIZE,          /* inode, a = size */
	EXTEND,          /* inode, a = least size */
	SYNC,            /* inode, a = records before it began */
	SYNC_FAILED,     /* inode, a = records before it began */
	UNKNOWN,         /* text: a change that no other record can tell */
};

/* The faults, one number each, in a file that the test writes to. */
struct faults {
	uint64_t quota;         /* how many bytes may still be written; all ones: as many as fit */
	uint64_t failing_syncs; /* how many of the next syncs of files fail with EIO */
	uint64_t failing_log_syncs; /* the same, of files whose name ends in ".log" */
	uint64_t no_log_sync;   /* not zero: a sync of such a file does nothing */
};

/* The path below the directory, as text in `out`; NULL if the path leads elsewhere. */
const char *below(int folder, const char *path, char *out);

/* Which file a descriptor is, if that is below the directory: its inode, or zero. */
uint64_t inode_of(int fd);
/* Takes a descriptor for that of a file below the directory, with the path that it was opened by. */
void track(int fd, const char *path);
void untrack(int fd);
void track_copy(int fd, int copy);
int is_log(int fd);

/* Over every change and its record. */
void begin(void);
void end(void);
uint64_t records(void);
void record(enum kind kind, uint64_t inode, int64_t a, int64_t b, const char *path, const void *bytes, size_t count);

/* How many of so many bytes may be written. */
size_t grant(size_t wanted);
/* Gives back what was granted and not written. */
void give_back(size_t bytes);
/* Whether this sync of a file is to fail. */
int fails_sync(int fd);
int ignores_log_sync(void);

#endif
