/* A PLC as Modbus RTU slave on Debian's libmodbus: 200 holding registers, faults on demand.
 *
 *     slave PORT BAUD DELAY_MS DROP_EVERY
 *
 * DELAY_MS: each reply leaves so late. DROP_EVERY n: each n-th reply is not sent (0: none). Registers 0..4 are the PLC's;
 * commands on stdin set them: "ADDRESS VALUE\n". Each write to register 100 and up is told on stdout, whole block.
 */
#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int delay_ms = atoi(argv[3]), drop_every = atoi(argv[4]), requests = 0;
    modbus_t *bus = modbus_new_rtu(argv[1], atoi(argv[2]), 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 200, 0);
    if (!bus || !map || modbus_set_slave(bus, 1) || modbus_connect(bus)) return 3;
    modbus_set_indication_timeout(bus, 0, 2000);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    uint8_t request[MODBUS_RTU_MAX_ADU_LENGTH];
    for (;;) {
        struct pollfd in = {0, POLLIN, 0};
        if (poll(&in, 1, 0) > 0) {
            char line[64];
            unsigned address, value;
            if (!fgets(line, sizeof line, stdin)) return 0;
            if (sscanf(line, "%u %u", &address, &value) == 2 && address < 200) map->tab_registers[address] = value;
        }
        int length = modbus_receive(bus, request);
        if (length <= 0) {
            if (length < 0 && (errno == EIO || errno == ENXIO || errno == EBADF)) return 4;
            continue;
        }
        requests++;
        int drop = drop_every && requests % drop_every == 0;
        if (drop) {
            /* The request is obeyed, its reply is lost: what a burst of noise does. */
            if (request[1] == 16) {
                unsigned address = request[2] << 8 | request[3], count = request[4] << 8 | request[5];
                for (unsigned i = 0; i < count && address + i < 200; i++)
                    map->tab_registers[address + i] = request[7 + 2 * i] << 8 | request[8 + 2 * i];
            }
        } else {
            if (delay_ms) usleep(delay_ms * 1000);
            modbus_reply(bus, request, length, map);
        }
        if (request[1] == 16 && (request[2] << 8 | request[3]) >= 100) {
            for (int i = 100; i < 112; i++) printf("%u%c", map->tab_registers[i], i == 111 ? '\n' : ' ');
        }
    }
}
