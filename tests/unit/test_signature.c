#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "io/hmac.h"
#include "web/signature.h"

static void to_hex(const unsigned char *bytes, char *ret) {
    for (size_t i = 0; i < HMAC_SHA256; i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* The header that signs the text. */
static const char *sign(const char *secret, const char *text) {
    static char header[128];
    _cleanup_(hmac_freep) struct hmac *h = NULL;
    unsigned char bytes[HMAC_SHA256];

    assert_int_equal(hmac_new(HMAC_SHA256, secret, strlen(secret), &h), 0);
    assert_int_equal(hmac_add(h, text, strlen(text)), 0);
    assert_int_equal(hmac_finish(h, bytes, sizeof(bytes)), 0);
    (void) snprintf(header, sizeof(header), "sha256=");
    to_hex(bytes, header + 7);
    return header;
}

/* RFC 4231, cases 1, 2 and 6; the parts of a text come one by one. */
static void test_hmac_vectors(void **state) {
    static unsigned char bytes_0b[20], bytes_aa[131];
    static const char *const digests[] = {"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                                          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                                          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"};
    const struct {
        const void *key;
        size_t key_size;
        const char *text;
    } cases[] = {{bytes_0b, sizeof(bytes_0b), "Hi There"},
                 {"Jefe", 4, "what do ya want for nothing?"},
                 {bytes_aa, sizeof(bytes_aa), "Test Using Larger Than Block-Size Key - Hash Key First"}};

    memset(bytes_0b, 0x0b, sizeof(bytes_0b));
    memset(bytes_aa, 0xaa, sizeof(bytes_aa));
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(hmac_freep) struct hmac *h = NULL;
        unsigned char bytes[HMAC_SHA256];
        char hex[2 * HMAC_SHA256 + 1];

        assert_int_equal(hmac_new(HMAC_SHA256, cases[i].key, cases[i].key_size, &h), 0);
        for (const char *c = cases[i].text; *c; c++)
            assert_int_equal(hmac_add(h, c, 1), 0);
        assert_int_equal(hmac_finish(h, bytes, sizeof(bytes)), 0);
        to_hex(bytes, hex);
        assert_string_equal(hex, digests[i]);
    }
}

static void test_texts_equal(void **state) {
    assert_true(hmac_texts_equal("secret", "secret"));
    assert_false(hmac_texts_equal("secret", "secre"));
    assert_false(hmac_texts_equal("secret", "secrets"));
    assert_false(hmac_texts_equal("secret", "Secret"));
    assert_false(hmac_texts_equal("secret", ""));
}

static int check(const char *header, const char *body) {
    return signature_check(header, "app", body, strlen(body));
}

static void test_only_the_exact_header_counts(void **state) {
    static const char body[] = "{\"a\": 1}";
    char header[256];

    assert_int_equal(check(sign("app", body), body), 1);
    assert_int_equal(check(sign("app", ""), ""), 1);
    assert_int_equal(check(sign("apq", body), body), 0);
    assert_int_equal(check(sign("app", "{\"a\": 2}"), body), 0);
    assert_int_equal(check(NULL, body), 0);
    assert_int_equal(check("", body), 0);
    assert_int_equal(check("sha256=", body), 0);
    for (size_t i = 0; i < 7 + 2 * HMAC_SHA256; i++) {
        (void) snprintf(header, sizeof(header), "%s", sign("app", body));
        header[i] = header[i] == 'x' ? 'y' : 'x';
        assert_int_equal(check(header, body), 0);
        (void) snprintf(header, sizeof(header), "%s", sign("app", body));
        header[i] = '\0';
        assert_int_equal(check(header, body), 0);
    }
    (void) snprintf(header, sizeof(header), "%s0", sign("app", body));
    assert_int_equal(check(header, body), 0);
    (void) snprintf(header, sizeof(header), " %s", sign("app", body));
    assert_int_equal(check(header, body), 0);
}

static void test_the_escaped_form(void **state) {
    static const struct {
        const char *raw, *escaped;
    } cases[] = {
        {"\xc3\xa9", "\\u00e9"},
        {"a\xc2\x80z", "a\\u0080z"},
        {"\xe2\x82\xac\xe0\xa0\x80", "\\u20ac\\u0800"},
        {"\xef\xbf\xbd", "\\ufffd"},
        {"x\xf0\x9f\x99\x88y", "x\\ud83d\\ude48y"},
        {"\xf4\x8f\xbf\xbf", "\\udbff\\udfff"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(check(sign("app", cases[i].escaped), cases[i].raw), 1);
        assert_int_equal(check(sign("app", cases[i].raw), cases[i].raw), 1);
        assert_int_equal(check(sign("apq", cases[i].escaped), cases[i].raw), 0);
        assert_int_equal(check(sign("app", cases[i].raw), cases[i].escaped), 0);
    }
}

/* The example of WAHA's documentation. */
static void test_sha512(void **state) {
    static const char body[] = "{\"event\":\"message\",\"session\":\"default\",\"engine\":\"WEBJS\"}", key[] = "my-secret-key";
    static const char good[] = "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8"
                               "097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89";
    char bad[sizeof(good) + 1];

    assert_int_equal(signature_check_sha512(good, key, body, strlen(body)), 1);
    assert_int_equal(signature_check_sha512(good, "my-secret-kez", body, strlen(body)), 0);
    assert_int_equal(signature_check_sha512(good, key, body, strlen(body) - 1), 0);
    assert_int_equal(signature_check_sha512(NULL, key, body, strlen(body)), 0);
    assert_int_equal(signature_check_sha512("", key, body, strlen(body)), 0);
    for (size_t i = 0; i < strlen(good); i++) {
        (void) snprintf(bad, sizeof(bad), "%s", good);
        bad[i] = bad[i] == '0' ? '1' : '0';
        assert_int_equal(signature_check_sha512(bad, key, body, strlen(body)), 0);
        bad[i] = good[i] >= 'a' ? (char) (good[i] - 'a' + 'A') : 'x';
        assert_int_equal(signature_check_sha512(bad, key, body, strlen(body)), 0);
        bad[i] = '\0';
        assert_int_equal(signature_check_sha512(bad, key, body, strlen(body)), 0);
    }
    (void) snprintf(bad, sizeof(bad), "%s0", good);
    assert_int_equal(signature_check_sha512(bad, key, body, strlen(body)), 0);
}

/* A digest that does not fit is refused, and not cut. */
static void test_digests_are_not_mixed_up(void **state) {
    _cleanup_(hmac_freep) struct hmac *short_one = NULL, *long_one = NULL;
    unsigned char bytes[HMAC_SHA512];

    assert_int_equal(hmac_new(HMAC_SHA256, "k", 1, &short_one), 0);
    assert_int_equal(hmac_new(HMAC_SHA512, "k", 1, &long_one), 0);
    assert_int_equal(hmac_finish(long_one, bytes, HMAC_SHA256), -EIO);
    assert_int_equal(hmac_finish(short_one, bytes, HMAC_SHA512), -EIO);
}

/* No reading beyond what is there; the sanitizers look on. */
static void test_bytes_that_are_no_text(void **state) {
    static const char *const bodies[] = {"\xf0\x9f\x99", "\xc3", "\xff", "a\xe2\x82", "\xed\xa0\x80", "\xc0\x80"};

    for (size_t i = 0; i < ELEMENTSOF(bodies); i++) {
        _cleanup_(freep) char *exact = malloc(strlen(bodies[i]));

        assert_non_null(exact);
        memcpy(exact, bodies[i], strlen(bodies[i]));
        assert_int_equal(signature_check(sign("app", bodies[i]), "app", exact, strlen(bodies[i])), 1);
        assert_int_equal(signature_check(sign("apq", bodies[i]), "app", exact, strlen(bodies[i])), 0);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac_vectors),
        cmocka_unit_test(test_texts_equal),
        cmocka_unit_test(test_only_the_exact_header_counts),
        cmocka_unit_test(test_the_escaped_form),
        cmocka_unit_test(test_sha512),
        cmocka_unit_test(test_digests_are_not_mixed_up),
        cmocka_unit_test(test_bytes_that_are_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
