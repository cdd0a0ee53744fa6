/* Which addresses a request may go to. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "unit.h"

#include "base/cleanup.h"
#include "io/address.h"

static enum address_kind judge(const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char back[ADDRESS_TEXT_BYTES];

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        address_to_string((const struct sockaddr *) &v4, sizeof(v4), back);
        assert_string_equal(back, text);
        return address_judge((const struct sockaddr *) &v4, sizeof(v4));
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_judge((const struct sockaddr *) &v6, sizeof(v6));
}

static void test_kinds(void **state) {
    static const struct {
        const char *address;
        enum address_kind kind;
    } rows[] = {
        {"127.0.0.1", ADDRESS_LOOPBACK},
        {"127.255.255.255", ADDRESS_LOOPBACK},
        {"128.0.0.0", ADDRESS_PUBLIC},
        {"126.255.255.255", ADDRESS_PUBLIC},
        {"0.0.0.0", ADDRESS_FORBIDDEN},
        {"0.1.2.3", ADDRESS_FORBIDDEN},
        {"1.0.0.0", ADDRESS_PUBLIC},
        {"10.255.0.1", ADDRESS_PRIVATE},
        {"11.0.0.0", ADDRESS_PUBLIC},
        {"172.15.255.255", ADDRESS_PUBLIC},
        {"172.16.0.0", ADDRESS_PRIVATE},
        {"172.31.255.255", ADDRESS_PRIVATE},
        {"172.32.0.0", ADDRESS_PUBLIC},
        {"192.168.0.1", ADDRESS_PRIVATE},
        {"192.169.0.0", ADDRESS_PUBLIC},
        {"100.63.255.255", ADDRESS_PUBLIC},
        {"100.64.0.0", ADDRESS_PRIVATE},
        {"100.127.255.255", ADDRESS_PRIVATE},
        {"100.128.0.0", ADDRESS_PUBLIC},
        {"100.100.100.200", ADDRESS_FORBIDDEN},
        {"169.253.255.255", ADDRESS_PUBLIC},
        {"169.254.0.0", ADDRESS_FORBIDDEN},
        {"169.254.169.254", ADDRESS_FORBIDDEN},
        {"169.255.0.0", ADDRESS_PUBLIC},
        {"224.0.0.1", ADDRESS_FORBIDDEN},
        {"239.255.255.255", ADDRESS_FORBIDDEN},
        {"255.255.255.255", ADDRESS_FORBIDDEN},
        {"93.184.216.34", ADDRESS_PUBLIC},
        {"::", ADDRESS_FORBIDDEN},
        {"::1", ADDRESS_LOOPBACK},
        {"::2", ADDRESS_FORBIDDEN}, /* carries 0.0.0.2 */
        {"fe80::1", ADDRESS_FORBIDDEN},
        {"febf::1", ADDRESS_FORBIDDEN},
        {"fec0::1", ADDRESS_PUBLIC},
        {"ff02::1", ADDRESS_FORBIDDEN},
        {"fc00::1", ADDRESS_PRIVATE},
        {"fdff::1", ADDRESS_PRIVATE},
        {"fd00:ec2::254", ADDRESS_FORBIDDEN},
        {"fd20:ce::254", ADDRESS_FORBIDDEN},
        {"2606:2800:220:1::1", ADDRESS_PUBLIC},
        {"::ffff:127.0.0.1", ADDRESS_LOOPBACK},
        {"::ffff:10.0.0.1", ADDRESS_PRIVATE},
        {"::ffff:8.8.8.8", ADDRESS_PUBLIC},
        {"::ffff:169.254.169.254", ADDRESS_FORBIDDEN},
        {"::ffff:0.0.0.0", ADDRESS_FORBIDDEN},
        {"::169.254.169.254", ADDRESS_FORBIDDEN},
        {"::127.0.0.1", ADDRESS_PUBLIC}, /* leaves this machine, so not without TLS */
        {"64:ff9b::a9fe:a9fe", ADDRESS_FORBIDDEN},
        {"64:ff9b::10.0.0.1", ADDRESS_PUBLIC},
        {"2002:a9fe:a9fe::1", ADDRESS_FORBIDDEN},
        {"2002:808:808::1", ADDRESS_PUBLIC},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (judge(rows[i].address) != rows[i].kind)
            fail_msg("%s is judged %d, not %d", rows[i].address, judge(rows[i].address), rows[i].kind);
}

static void test_odd_families(void **state) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr other = {.sa_family = AF_UNIX};
    char text[ADDRESS_TEXT_BYTES];

    assert_int_equal(address_judge(&other, sizeof(other)), ADDRESS_FORBIDDEN);
    assert_int_equal(address_judge((const struct sockaddr *) &v4, 4), ADDRESS_FORBIDDEN);
    other.sa_family = AF_UNSPEC;
    address_to_string(&other, sizeof(other), text);
    assert_string_equal(text, "?");
}

static void test_refusal(void **state) {
    assert_null(address_refusal(ADDRESS_LOOPBACK, false));
    assert_null(address_refusal(ADDRESS_PRIVATE, false));
    assert_non_null(address_refusal(ADDRESS_PUBLIC, false));
    assert_non_null(address_refusal(ADDRESS_FORBIDDEN, false));
    assert_null(address_refusal(ADDRESS_LOOPBACK, true));
    assert_null(address_refusal(ADDRESS_PRIVATE, true));
    assert_null(address_refusal(ADDRESS_PUBLIC, true));
    assert_non_null(address_refusal(ADDRESS_FORBIDDEN, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_odd_families),
        cmocka_unit_test(test_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
