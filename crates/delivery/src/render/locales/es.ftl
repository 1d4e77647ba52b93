# Spanish

code-subject = { $code } es tu código de { $app }
code-subject-unnamed = { $code } es tu código
code-heading = Tu código de { $app }
code-heading-unnamed = Tu código
code-text = Tu código de { $app } es { $code }
code-text-unnamed = Tu código es { $code }
code-expiry = Sirve una sola vez y caduca en { $lifetime }.
code-link = O abre este enlace para iniciar sesión:
code-button = Iniciar sesión
code-warning = No compartas este código con nadie. Si no lo has pedido, puedes ignorar este mensaje.

login-subject = Inicia sesión en { $app }
login-subject-unnamed = Inicia sesión
login-link = Para iniciar sesión, abre este enlace en el dispositivo donde lo pediste:
login-copy = Para iniciar sesión, copia este texto donde lo pediste:
login-button = Iniciar sesión
login-warning = No compartas este mensaje con nadie. Si no lo has pedido, puedes ignorarlo.

recovery-subject = Recupera tu cuenta de { $app }
recovery-subject-unnamed = Recupera tu cuenta
recovery-link = Para recuperar tu cuenta, abre este enlace en el dispositivo donde lo pediste:
recovery-copy = Para recuperar tu cuenta, copia este texto donde lo pediste:
recovery-button = Recuperar la cuenta
recovery-warning = No compartas este mensaje con nadie. Si no lo has pedido, puede que otra persona intente entrar en tu cuenta; puedes ignorar este mensaje.

bundle-expiry = Caduca en { $lifetime }.

sms = { $app }: tu código es { $code }
sms-unnamed = Tu código es { $code }
sms-full = { sms }. Caduca en { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Caduca en { $lifetime }.

minutes = { $number ->
    [one] { $number } minuto
   *[other] { $number } minutos
    }
hours = { $number ->
    [one] { $number } hora
   *[other] { $number } horas
    }
days = { $number ->
    [one] { $number } día
   *[other] { $number } días
    }
