/*
 * What libpcap itself says of filters and packets.
 *
 *   pcap-judge LINKTYPE EXPRESSIONS PACKETS > ANSWERS
 *
 * EXPRESSIONS has one filter a line. PACKETS is, for every packet, captured octets and octets on the wire as 32-bit numbers in
 * host byte order, then the captured octets. ANSWERS has for every filter, first compiled plainly, then optimized:
 * a 32-bit length and that many octets of an error, or 0 and one bit a packet, the first packet in the lowest bit.
 */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPLEN = 262144, LONGEST_LINE = 8192 };

static unsigned char *packets;
static size_t packets_length;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void read_packets(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		fail(path);
	packets_length = (size_t)ftell(file);
	rewind(file);
	packets = malloc(packets_length + 1);
	if (packets == NULL || fread(packets, 1, packets_length, file) != packets_length)
		fail(path);
	fclose(file);
}

static void put(const void *octets, size_t length)
{
	if (fwrite(octets, 1, length, stdout) != length)
		fail("stdout");
}

static void put_number(uint32_t number)
{
	put(&number, sizeof number);
}

static void judge(const struct bpf_program *program)
{
	unsigned char bits = 0;
	uint32_t count = 0;
	for (size_t at = 0; at < packets_length; count++) {
		uint32_t lengths[2];
		memcpy(lengths, packets + at, sizeof lengths);
		at += sizeof lengths;
		struct pcap_pkthdr header = {.caplen = lengths[0], .len = lengths[1]};
		if (pcap_offline_filter(program, &header, packets + at) != 0)
			bits |= (unsigned char)(1u << (count & 7));
		if ((count & 7) == 7) {
			put(&bits, 1);
			bits = 0;
		}
		at += lengths[0];
	}
	if ((count & 7) != 0)
		put(&bits, 1);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: pcap-judge LINKTYPE EXPRESSIONS PACKETS\n");
		return 2;
	}
	pcap_t *handle = pcap_open_dead(atoi(argv[1]), SNAPLEN);
	FILE *expressions = fopen(argv[2], "r");
	if (handle == NULL || expressions == NULL)
		fail(argv[2]);
	read_packets(argv[3]);
	char line[LONGEST_LINE];
	while (fgets(line, sizeof line, expressions) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		for (int optimize = 0; optimize < 2; optimize++) {
			struct bpf_program program;
			if (pcap_compile(handle, &program, line, optimize, PCAP_NETMASK_UNKNOWN) != 0) {
				const char *error = pcap_geterr(handle);
				put_number((uint32_t)strlen(error));
				put(error, strlen(error));
				continue;
			}
			put_number(0);
			judge(&program);
			pcap_freecode(&program);
		}
	}
	fclose(expressions);
	pcap_close(handle);
	free(packets);
	return 0;
}
