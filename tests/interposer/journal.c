#define _GNU_SOURCE
#include "journal.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Descriptors from here on are not tracked; a process of the tests has far fewer. */
#define DESCRIPTORS 65536

struct header {
	uint32_t kind;
	uint32_t path_bytes;
	uint64_t inode;
	int64_t a;
	int64_t b;
	uint64_t bytes;
};

/* Which descriptors are of files below the directory: 1, or 2 for a file of the write-ahead log. */
static _Atomic unsigned char tracked[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t written;
static int journal = -1;
static char directory[PATH_MAX];
static size_t directory_bytes;
static volatile struct faults *faults;

static void give_up(const char *why)
{
	(void)!syscall(SYS_write, 2, why, strlen(why));
	abort();
}

/* The directory is only set when everything else is there: before that nothing is recorded. */
__attribute__((constructor)) static void start(void)
{
	const char *below_this = getenv("INTERPOSER_DIRECTORY"), *to = getenv("INTERPOSER_JOURNAL");
	const char *control = getenv("INTERPOSER_FAULTS");
	if (below_this == NULL || to == NULL || control == NULL)
		return;
	int fd = syscall(SYS_openat, AT_FDCWD, control, O_RDWR | O_CLOEXEC, 0);
	journal = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || journal < 0)
		give_up("interposer: no journal, or no faults\n");
	void *map = (void *)syscall(SYS_mmap, NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || strlen(below_this) >= sizeof directory)
		give_up("interposer: the faults cannot be read, or the directory is too long\n");
	faults = map;
	syscall(SYS_close, fd);
	strcpy(directory, below_this);
	directory_bytes = strlen(directory);
}

/* Writes a path as absolute as its folder is, without empty segments and those that are ".". */
static int absolute(int folder, const char *path, char *out)
{
	size_t length = 0;
	if (path[0] != '/') {
		if (folder == AT_FDCWD) {
			if (getcwd(out, PATH_MAX) == NULL)
				return 0;
			length = strlen(out);
		} else {
			char link[64];
			snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
			ssize_t got = readlink(link, out, PATH_MAX - 1);
			if (got < 0)
				return 0;
			length = got;
		}
	}
	while (*path != 0) {
		size_t segment = strcspn(path, "/");
		if (segment > 0 && !(segment == 1 && path[0] == '.')) {
			if (length + segment + 2 > PATH_MAX)
				return 0;
			out[length++] = '/';
			memcpy(out + length, path, segment);
			length += segment;
		}
		path += segment + (path[segment] == '/');
	}
	out[length] = 0;
	return 1;
}

const char *below(int folder, const char *path, char *out)
{
	if (directory_bytes == 0 || !absolute(folder, path, out))
		return NULL;
	if (strncmp(out, directory, directory_bytes) != 0)
		return NULL;
	if (out[directory_bytes] == 0)
		return out + directory_bytes;
	return out[directory_bytes] == '/' ? out + directory_bytes + 1 : NULL;
}

void track(int fd, const char *path)
{
	size_t length = strlen(path);
	if (fd >= DESCRIPTORS)
		give_up("interposer: too many open files\n");
	tracked[fd] = length > 4 && strcmp(path + length - 4, ".log") == 0 ? 2 : 1;
}

void untrack(int fd)
{
	if (fd >= 0 && fd < DESCRIPTORS)
		tracked[fd] = 0;
}

void track_copy(int fd, int copy)
{
	if (fd >= 0 && fd < DESCRIPTORS && copy >= 0 && copy < DESCRIPTORS)
		tracked[copy] = tracked[fd];
}

int is_log(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS && tracked[fd] == 2;
}

uint64_t inode_of(int fd)
{
	struct stat status;
	if (fd < 0 || fd >= DESCRIPTORS || tracked[fd] == 0 || fstat(fd, &status) != 0)
		return 0;
	return status.st_ino;
}

void begin(void)
{
	pthread_mutex_lock(&lock);
}

void end(void)
{
	pthread_mutex_unlock(&lock);
}

uint64_t records(void)
{
	return written;
}

void record(enum kind kind, uint64_t inode, int64_t a, int64_t b, const char *path, const void *bytes, size_t count)
{
	struct header header = { kind, strlen(path), inode, a, b, count };
	struct iovec parts[] = {
		{ &header, sizeof header },
		{ (void *)path, header.path_bytes },
		{ (void *)bytes, count },
	};
	if (syscall(SYS_writev, journal, parts, 3) != (long)(sizeof header + header.path_bytes + count))
		give_up("interposer: the journal cannot be written\n");
	written++;
}

size_t grant(size_t wanted)
{
	uint64_t quota = faults->quota;
	if (quota == UINT64_MAX)
		return wanted;
	size_t granted = wanted < quota ? wanted : quota;
	faults->quota = quota - granted;
	return granted;
}

void give_back(size_t bytes)
{
	if (faults->quota != UINT64_MAX)
		faults->quota += bytes;
}

static int take_one(volatile uint64_t *count)
{
	if (*count == 0)
		return 0;
	*count -= 1;
	return 1;
}

int fails_sync(int fd)
{
	return (is_log(fd) && take_one(&faults->failing_log_syncs)) || take_one(&faults->failing_syncs);
}

int ignores_log_sync(void)
{
	return faults->no_log_sync != 0;
}
