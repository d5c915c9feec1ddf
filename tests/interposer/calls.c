/* The calls of the C library that change files, each with a record of what it did.
 *
 * They go to the kernel directly. A call that would change a file in a way that no record can tell leaves
 * the record UNKNOWN, on which the reader of the journal fails: better than a journal with a hole. */

#define _GNU_SOURCE
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void unknown(const char *what)
{
	record(UNKNOWN, 0, 0, 0, what, NULL, 0);
}

/* --- files --- */

static int do_open(int folder, const char *path, int flags, mode_t mode)
{
	char buffer[PATH_MAX];
	const char *known = below(folder, path, buffer);
	if (known == NULL) {
		int fd = syscall(SYS_openat, folder, path, flags, mode);
		if (fd >= 0)
			untrack(fd);
		return fd;
	}
	begin();
	int fd = syscall(SYS_openat, folder, path, flags, mode);
	if (fd >= 0) {
		track(fd, known);
		if ((flags & O_ACCMODE) != O_RDONLY && (flags & (O_DSYNC | O_DIRECT)) != 0)
			unknown("open with O_SYNC, O_DSYNC or O_DIRECT");
		if ((flags & O_TMPFILE) == O_TMPFILE)
			unknown("open with O_TMPFILE");
		record(OPEN, inode_of(fd), (flags & O_CREAT) != 0, (flags & O_TRUNC) != 0, known, NULL, 0);
	}
	end();
	return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPEN_CALL(name)                                            \
	int name(const char *path, int flags, ...)                 \
	{                                                          \
		va_list arguments;                                 \
		va_start(arguments, flags);                        \
		mode_t mode = mode_of(flags, arguments);           \
		va_end(arguments);                                 \
		return do_open(AT_FDCWD, path, flags, mode);       \
	}
#define OPENAT_CALL(name)                                          \
	int name(int folder, const char *path, int flags, ...)     \
	{                                                          \
		va_list arguments;                                 \
		va_start(arguments, flags);                        \
		mode_t mode = mode_of(flags, arguments);           \
		va_end(arguments);                                 \
		return do_open(folder, path, flags, mode);         \
	}
OPEN_CALL(open)
OPEN_CALL(open64)
OPENAT_CALL(openat)
OPENAT_CALL(openat64)

int __open_2(const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char *path, int flags) { return do_open(folder, path, flags, 0); }
int __openat64_2(int folder, const char *path, int flags) { return do_open(folder, path, flags, 0); }

int creat(const char *path, mode_t mode)
{
	return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd)
{
	untrack(fd);
	return syscall(SYS_close, fd);
}

static int copied(int fd, int copy)
{
	if (copy >= 0)
		track_copy(fd, copy);
	return copy;
}

int dup(int fd) { return copied(fd, syscall(SYS_dup, fd)); }
int dup2(int fd, int copy)
{
	return fd == copy ? (int)syscall(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : fd : copied(fd, syscall(SYS_dup3, fd, copy, 0));
}
int dup3(int fd, int copy, int flags) { return copied(fd, syscall(SYS_dup3, fd, copy, flags)); }

static int do_fcntl(int fd, int command, void *argument)
{
	int result = syscall(SYS_fcntl, fd, command, argument);
	return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, result) : result;
}

#define FCNTL_CALL(name)                                           \
	int name(int fd, int command, ...)                         \
	{                                                          \
		va_list arguments;                                 \
		va_start(arguments, command);                      \
		void *argument = va_arg(arguments, void *);        \
		va_end(arguments);                                 \
		return do_fcntl(fd, command, argument);            \
	}
FCNTL_CALL(fcntl)
FCNTL_CALL(fcntl64)

/* --- bytes --- */

/* Writes at an offset, or at the descriptor's place if that is negative. */
static ssize_t do_write(int fd, const void *bytes, size_t count, off_t offset)
{
	uint64_t inode = inode_of(fd);
	if (inode == 0 || count == 0)
		return offset < 0 ? syscall(SYS_write, fd, bytes, count) : syscall(SYS_pwrite64, fd, bytes, count, offset);
	begin();
	size_t granted = grant(count);
	ssize_t done = -1;
	errno = ENOSPC;
	if (granted > 0)
		done = offset < 0 ? syscall(SYS_write, fd, bytes, granted) : syscall(SYS_pwrite64, fd, bytes, granted, offset);
	int error = errno;
	give_back(granted - (done < 0 ? 0 : done));
	if (done > 0) {
		off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) - done : offset;
		record(WRITE, inode, at, 0, "", bytes, done);
	}
	end();
	errno = error;
	return done;
}

/* One part after the other, up to the first that is not written whole, as the kernel may do too. */
static ssize_t do_writev(int fd, const struct iovec *parts, int count, off_t offset)
{
	ssize_t all = 0;
	if (inode_of(fd) == 0)
		return offset < 0 ? syscall(SYS_writev, fd, parts, count)
				  : syscall(SYS_pwritev, fd, parts, count, (long)offset, (long)((uint64_t)offset >> 32));
	for (int at = 0; at < count; at++) {
		ssize_t done = do_write(fd, parts[at].iov_base, parts[at].iov_len, offset < 0 ? offset : offset + all);
		if (done < 0)
			return all > 0 ? all : done;
		all += done;
		if ((size_t)done < parts[at].iov_len)
			break;
	}
	return all;
}

ssize_t write(int fd, const void *bytes, size_t count) { return do_write(fd, bytes, count, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return do_write(fd, bytes, count, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return do_write(fd, bytes, count, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return do_writev(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return do_writev(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return do_writev(fd, parts, count, at); }

static int do_resize(int fd, off_t size)
{
	uint64_t inode = inode_of(fd);
	if (inode == 0)
		return syscall(SYS_ftruncate, fd, size);
	begin();
	int result = syscall(SYS_ftruncate, fd, size);
	if (result == 0)
		record(RESIZE, inode, size, 0, "", NULL, 0);
	end();
	return result;
}

int ftruncate(int fd, off_t size) { return do_resize(fd, size); }
int ftruncate64(int fd, off64_t size) { return do_resize(fd, size); }

int truncate(const char *path, off_t size)
{
	int fd = do_open(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int result = do_resize(fd, size), error = errno;
	close(fd);
	errno = error;
	return result;
}
int truncate64(const char *path, off64_t size) { return truncate(path, size); }

/* Room is no content, and what fails for want of room is told by the writes. */
static int do_fallocate(int fd, int mode, off_t offset, off_t length)
{
	uint64_t inode = inode_of(fd);
	if (inode == 0 || mode == FALLOC_FL_KEEP_SIZE)
		return syscall(SYS_fallocate, fd, mode, offset, length);
	begin();
	int result = syscall(SYS_fallocate, fd, mode, offset, length);
	if (result == 0) {
		if (mode == 0)
			record(EXTEND, inode, offset + length, 0, "", NULL, 0);
		else if (mode != (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
			unknown("fallocate");
		else {
			struct stat status;
			/* A hole reads as zeros: as a write of zeros within the file. */
			if (fstat(fd, &status) == 0 && offset < status.st_size) {
				size_t zeros = offset + length < status.st_size ? length : status.st_size - offset;
				void *bytes = calloc(1, zeros);
				if (bytes == NULL)
					abort();
				record(WRITE, inode, offset, 0, "", bytes, zeros);
				free(bytes);
			}
		}
	}
	end();
	return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return do_fallocate(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return do_fallocate(fd, mode, offset, length); }
int posix_fallocate(int fd, off_t offset, off_t length)
{
	return do_fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }

static void *do_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if ((protection & PROT_WRITE) != 0 && (flags & MAP_SHARED) != 0 && fd >= 0 && inode_of(fd) != 0) {
		begin();
		unknown("a file mapped for writing");
		end();
	}
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return do_mmap(address, length, protection, flags, fd, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return do_mmap(address, length, protection, flags, fd, offset);
}

static ssize_t refuse_copy(int to, ssize_t result)
{
	if (result > 0 && inode_of(to) != 0) {
		begin();
		unknown("bytes copied within the kernel");
		end();
	}
	return result;
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t count, unsigned flags)
{
	return refuse_copy(to, syscall(SYS_copy_file_range, from, at, to, to_at, count, flags));
}
ssize_t sendfile(int to, int from, off_t *at, size_t count)
{
	return refuse_copy(to, syscall(SYS_sendfile, to, from, at, count));
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t count) { return sendfile(to, from, at, count); }

/* --- syncs; sync_file_range is none: it waits for no disk and no metadata --- */

static int do_sync(long call, int fd)
{
	uint64_t inode = inode_of(fd);
	if (inode == 0)
		return syscall(call, fd);
	struct stat status;
	int is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	begin();
	uint64_t before = records();
	int fails = is_file && fails_sync(fd);
	int ignored = is_log(fd) && ignores_log_sync();
	end();
	if (ignored)
		return 0;
	int result = fails ? -1 : (int)syscall(call, fd);
	int error = fails ? EIO : errno;
	begin();
	record(result == 0 ? SYNC : SYNC_FAILED, inode, before, 0, "", NULL, 0);
	end();
	errno = error;
	return result;
}

int fsync(int fd) { return do_sync(SYS_fsync, fd); }
int fdatasync(int fd) { return do_sync(SYS_fdatasync, fd); }

/* --- names --- */

/* Does a change of one name, and records it. */
static int change_name(enum kind kind, int folder, const char *path, long call, long flags_or_mode)
{
	char buffer[PATH_MAX];
	const char *known = below(folder, path, buffer);
	if (known == NULL)
		return syscall(call, folder, path, flags_or_mode);
	begin();
	int result = syscall(call, folder, path, flags_or_mode);
	if (result == 0)
		record(kind, 0, 0, 0, known, NULL, 0);
	end();
	return result;
}

/* The same for two names. One of them outside would be a hole in the journal. */
static int change_names(enum kind kind, int folder, const char *path, int other_folder, const char *other, long call, unsigned flags)
{
	char buffer[PATH_MAX], other_buffer[PATH_MAX];
	const char *known = below(folder, path, buffer), *other_known = below(other_folder, other, other_buffer);
	if (known == NULL && other_known == NULL)
		return syscall(call, folder, path, other_folder, other, flags);
	begin();
	int result = syscall(call, folder, path, other_folder, other, flags);
	if (result == 0) {
		if (known == NULL || other_known == NULL || flags != 0)
			unknown("a rename or link across the directory, or with flags");
		else
			record(kind, 0, 0, 0, known, other_known, strlen(other_known));
	}
	end();
	return result;
}

int mkdir(const char *path, mode_t mode) { return change_name(MAKE_DIRECTORY, AT_FDCWD, path, SYS_mkdirat, mode); }
int mkdirat(int folder, const char *path, mode_t mode)
{
	return change_name(MAKE_DIRECTORY, folder, path, SYS_mkdirat, mode);
}
int unlinkat(int folder, const char *path, int flags)
{
	return change_name((flags & AT_REMOVEDIR) != 0 ? REMOVE_DIRECTORY : UNLINK, folder, path, SYS_unlinkat, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path)
{
	int result = unlink(path);
	return result != 0 && errno == EISDIR ? rmdir(path) : result;
}
int renameat2(int folder, const char *path, int other_folder, const char *other, unsigned flags)
{
	return change_names(RENAME, folder, path, other_folder, other, SYS_renameat2, flags);
}
int renameat(int folder, const char *path, int other_folder, const char *other)
{
	return renameat2(folder, path, other_folder, other, 0);
}
int rename(const char *path, const char *other) { return renameat2(AT_FDCWD, path, AT_FDCWD, other, 0); }
int linkat(int folder, const char *path, int other_folder, const char *other, int flags)
{
	return change_names(LINK, folder, path, other_folder, other, SYS_linkat, flags);
}
int link(const char *path, const char *other) { return linkat(AT_FDCWD, path, AT_FDCWD, other, 0); }
int symlinkat(const char *target, int folder, const char *path)
{
	char buffer[PATH_MAX];
	int result = syscall(SYS_symlinkat, target, folder, path);
	if (result == 0 && below(folder, path, buffer) != NULL) {
		begin();
		unknown("a symbolic link");
		end();
	}
	return result;
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

/* --- streams: the C library writes them with calls of its own, so theirs are made of ours --- */

static ssize_t stream_read(void *cookie, char *bytes, size_t count)
{
	return syscall(SYS_read, (int)(intptr_t)cookie, bytes, count);
}
static ssize_t stream_write(void *cookie, const char *bytes, size_t count)
{
	ssize_t done = write((int)(intptr_t)cookie, bytes, count);
	return done < 0 ? 0 : done;
}
static int stream_seek(void *cookie, off64_t *offset, int whence)
{
	off64_t at = lseek((int)(intptr_t)cookie, *offset, whence);
	*offset = at;
	return at < 0 ? -1 : 0;
}
static int stream_close(void *cookie) { return close((int)(intptr_t)cookie); }

FILE *fdopen(int fd, const char *mode)
{
	cookie_io_functions_t calls = { stream_read, stream_write, stream_seek, stream_close };
	return fopencookie((void *)(intptr_t)fd, mode, calls);
}

static FILE *do_fopen(const char *path, const char *mode)
{
	int flags = strchr(mode, '+') != NULL ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
	if (mode[0] == 'w')
		flags |= O_CREAT | O_TRUNC;
	if (mode[0] == 'a')
		flags |= O_CREAT | O_APPEND;
	if (strchr(mode, 'e') != NULL)
		flags |= O_CLOEXEC;
	int fd = do_open(AT_FDCWD, path, flags, 0666);
	return fd < 0 ? NULL : fdopen(fd, mode);
}

FILE *fopen(const char *path, const char *mode) { return do_fopen(path, mode); }
FILE *fopen64(const char *path, const char *mode) { return do_fopen(path, mode); }
