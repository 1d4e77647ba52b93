# Russian

code-subject = { $code } — ваш код для { $app }
code-subject-unnamed = { $code } — ваш код
code-heading = Ваш код для { $app }
code-heading-unnamed = Ваш код
code-text = Ваш код для { $app }: { $code }
code-text-unnamed = Ваш код: { $code }
code-expiry = Код одноразовый и действует { $lifetime }.
code-link = Или откройте эту ссылку, чтобы войти:
code-button = Войти
code-warning = Никому не сообщайте этот код. Если вы его не запрашивали, просто не обращайте внимания на это сообщение.

login-subject = Вход в { $app }
login-subject-unnamed = Вход
login-link = Чтобы войти, откройте эту ссылку на том устройстве, на котором вы её запросили:
login-copy = Чтобы войти, скопируйте этот текст туда, где вы его запросили:
login-button = Войти
login-warning = Никому не показывайте это сообщение. Если вы его не запрашивали, просто не обращайте на него внимания.

recovery-subject = Восстановление доступа к { $app }
recovery-subject-unnamed = Восстановление доступа
recovery-link = Чтобы восстановить доступ, откройте эту ссылку на том устройстве, на котором вы её запросили:
recovery-copy = Чтобы восстановить доступ, скопируйте этот текст туда, где вы его запросили:
recovery-button = Восстановить доступ
recovery-warning = Никому не показывайте это сообщение. Если вы его не запрашивали, возможно, кто-то другой пытается войти в вашу учётную запись; на это сообщение можно не обращать внимания.

bundle-expiry = Действует { $lifetime }.

sms = { $app }: ваш код { $code }
sms-unnamed = Ваш код { $code }
sms-full = { sms }. Действует { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Действует { $lifetime }.

minutes = { $number ->
    [one] { $number } минуту
    [few] { $number } минуты
   *[many] { $number } минут
    }
hours = { $number ->
    [one] { $number } час
    [few] { $number } часа
   *[many] { $number } часов
    }
days = { $number ->
    [one] { $number } день
    [few] { $number } дня
   *[many] { $number } дней
    }
