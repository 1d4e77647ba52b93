# Ukrainian

code-subject = { $code } — ваш код для { $app }
code-subject-unnamed = { $code } — ваш код
code-heading = Ваш код для { $app }
code-heading-unnamed = Ваш код
code-text = Ваш код для { $app }: { $code }
code-text-unnamed = Ваш код: { $code }
code-expiry = Код одноразовий і діє { $lifetime }.
code-link = Або відкрийте це посилання, щоб увійти:
code-button = Увійти
code-warning = Нікому не повідомляйте цей код. Якщо ви його не запитували, просто не зважайте на це повідомлення.

login-subject = Вхід до { $app }
login-subject-unnamed = Вхід
login-link = Щоб увійти, відкрийте це посилання на тому пристрої, на якому ви його запитали:
login-copy = Щоб увійти, скопіюйте цей текст туди, де ви його запитали:
login-button = Увійти
login-warning = Нікому не показуйте це повідомлення. Якщо ви його не запитували, просто не зважайте на нього.

recovery-subject = Відновлення доступу до { $app }
recovery-subject-unnamed = Відновлення доступу
recovery-link = Щоб відновити доступ, відкрийте це посилання на тому пристрої, на якому ви його запитали:
recovery-copy = Щоб відновити доступ, скопіюйте цей текст туди, де ви його запитали:
recovery-button = Відновити доступ
recovery-warning = Нікому не показуйте це повідомлення. Якщо ви його не запитували, можливо, хтось інший намагається увійти до вашого облікового запису; на це повідомлення можна не зважати.

bundle-expiry = Діє { $lifetime }.

sms = { $app }: ваш код { $code }
sms-unnamed = Ваш код { $code }
sms-full = { sms }. Діє { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Діє { $lifetime }.

minutes = { $number ->
    [one] { $number } хвилину
    [few] { $number } хвилини
   *[many] { $number } хвилин
    }
hours = { $number ->
    [one] { $number } годину
    [few] { $number } години
   *[many] { $number } годин
    }
days = { $number ->
    [one] { $number } день
    [few] { $number } дні
   *[many] { $number } днів
    }
