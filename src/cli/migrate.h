/* Texts of migrate. */
#pragma once

#define MIGRATIONS_PREFIX "migrations/"

/* What to do about a table that has the history's name. */
#define FOREIGN_TABLE_REMEDY                                                                                                  \
    "  1. psql -c 'ALTER TABLE public.whatsapp_notifications RENAME TO whatsapp_notifications_before'\n"                      \
    "  2. pgherald migrate\n"                                                                                                 \
    "  3. Import what was told already, so that nobody is told twice:\n     INSERT INTO public.whatsapp_notifications "        \
    "(rule, dedup_key, recipient, send_status, created_at)\n     SELECT 'RULE', KEY, RECIPIENT, 'sent', CREATED_AT "          \
    "FROM public.whatsapp_notifications_before;\n"                                                                            \
    "     RULE is the rule's name; KEY must be what the rule's view gives as dedup_key.\n"
