# Polish

code-subject = { $code } to Twój kod do { $app }
code-subject-unnamed = { $code } to Twój kod
code-heading = Twój kod do { $app }
code-heading-unnamed = Twój kod
code-text = Twój kod do { $app } to { $code }
code-text-unnamed = Twój kod to { $code }
code-expiry = Można go użyć raz; jest ważny przez { $lifetime }.
code-link = Możesz też otworzyć ten link, aby się zalogować:
code-button = Zaloguj się
code-warning = Nie podawaj nikomu tego kodu. Jeśli to nie była Twoja prośba, możesz zignorować tę wiadomość.

login-subject = Zaloguj się do { $app }
login-subject-unnamed = Zaloguj się
login-link = Aby się zalogować, otwórz ten link na urządzeniu, na którym o niego poproszono:
login-copy = Aby się zalogować, skopiuj ten tekst tam, gdzie o niego poproszono:
login-button = Zaloguj się
login-warning = Nie przekazuj nikomu tej wiadomości. Jeśli to nie była Twoja prośba, możesz ją zignorować.

recovery-subject = Odzyskaj swoje konto w { $app }
recovery-subject-unnamed = Odzyskaj swoje konto
recovery-link = Aby odzyskać konto, otwórz ten link na urządzeniu, na którym o niego poproszono:
recovery-copy = Aby odzyskać konto, skopiuj ten tekst tam, gdzie o niego poproszono:
recovery-button = Odzyskaj konto
recovery-warning = Nie przekazuj nikomu tej wiadomości. Jeśli to nie była Twoja prośba, być może ktoś inny próbuje dostać się na Twoje konto; możesz zignorować tę wiadomość.

bundle-expiry = Ważne przez { $lifetime }.

sms = { $app }: Twój kod to { $code }
sms-unnamed = Twój kod to { $code }
sms-full = { sms }. Ważny przez { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Ważny przez { $lifetime }.

minutes = { $number ->
    [one] { $number } minutę
    [few] { $number } minuty
   *[many] { $number } minut
    }
hours = { $number ->
    [one] { $number } godzinę
    [few] { $number } godziny
   *[many] { $number } godzin
    }
days = { $number ->
    [one] { $number } dzień
   *[other] { $number } dni
    }
