/* A plain TCP stream, whose rate is the one that all-reduces are held against.
 *
 *     stream receive ADDRESS PORT           prints "BYTES NANOSECONDS" of the first sender: between the first bytes and
 *                                           the last, without the first
 *     stream send ADDRESS PORT BYTES */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { chunk_bytes = 1 << 18 };
static char chunk[chunk_bytes];

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void receive_stream(int listener) {
  const int stream = accept(listener, NULL, NULL);
  if (stream < 0) fail("stream: accept");
  ssize_t moved = recv(stream, chunk, chunk_bytes, 0);
  const long long begin = now_ns();
  long long total = 0;
  while ((moved = recv(stream, chunk, chunk_bytes, 0)) > 0) total += moved;
  if (moved < 0) fail("stream: recv");
  printf("%lld %lld\n", total, now_ns() - begin);
  close(stream);
}

static void send_stream(int stream, long long total) {
  while (total > 0) {
    const ssize_t moved = send(stream, chunk, total < chunk_bytes ? (size_t)total : chunk_bytes, MSG_NOSIGNAL);
    if (moved < 0) fail("stream: send");
    total -= moved;
  }
  close(stream);
}

int main(int count, char** arguments) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  if (count < 4 || inet_pton(AF_INET, arguments[2], &address.sin_addr) != 1) {
    fprintf(stderr, "stream: expected receive ADDRESS PORT, or send ADDRESS PORT BYTES\n");
    return 2;
  }
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)strtoul(arguments[3], NULL, 10));
  const int own = socket(AF_INET, SOCK_STREAM, 0);
  if (own < 0) fail("stream: socket");
  if (strcmp(arguments[1], "receive") == 0) {
    const int yes = 1;
    setsockopt(own, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(own, (struct sockaddr*)&address, sizeof address) != 0 || listen(own, 1) != 0) fail("stream: listen");
    printf("ready\n");
    fflush(stdout);
    receive_stream(own);
  } else if (count == 5 && strcmp(arguments[1], "send") == 0) {
    if (connect(own, (struct sockaddr*)&address, sizeof address) != 0) fail("stream: connect");
    send_stream(own, strtoll(arguments[4], NULL, 10));
  }
  return 0;
}
