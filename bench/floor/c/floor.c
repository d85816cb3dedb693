/* The least that a durable submission costs any program: what ../main.go does, in C and without a runtime. It is
 * measured where there is a compiler. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char buffer[65536];

int main(int argc, char **argv)
{
	char fresh[40], name[32];
	ssize_t n;
	int file, directory;

	if (argc != 2 || chdir(argv[1]))
		return 2;
	snprintf(name, sizeof name, "%ld", (long)getpid());
	snprintf(fresh, sizeof fresh, "%s.new", name);
	if ((file = open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0)
		return 1;
	while ((n = read(0, buffer, sizeof buffer)) > 0)
		if (write(file, buffer, n) != n)
			return 1;
	if (n < 0 || fsync(file) || close(file) || rename(fresh, name))
		return 1;
	directory = open(".", O_RDONLY | O_DIRECTORY);
	return directory < 0 || fsync(directory);
}
