# Portuguese of Brazil

code-subject = { $code } é seu código para { $app }
code-subject-unnamed = { $code } é seu código
code-heading = Seu código para { $app }
code-heading-unnamed = Seu código
code-text = Seu código para { $app } é { $code }
code-text-unnamed = Seu código é { $code }
code-expiry = Ele só vale uma vez e expira em { $lifetime }.
code-link = Ou abra este link para entrar:
code-button = Entrar
code-warning = Não compartilhe este código com ninguém. Se você não o solicitou, pode ignorar esta mensagem.

login-subject = Entrar em { $app }
login-subject-unnamed = Entrar
login-link = Para entrar, abra este link no dispositivo em que você o solicitou:
login-copy = Para entrar, copie este texto para o lugar onde você o solicitou:
login-button = Entrar
login-warning = Não compartilhe esta mensagem com ninguém. Se você não a solicitou, pode ignorá-la.

recovery-subject = Recuperar sua conta em { $app }
recovery-subject-unnamed = Recuperar sua conta
recovery-link = Para recuperar sua conta, abra este link no dispositivo em que você o solicitou:
recovery-copy = Para recuperar sua conta, copie este texto para o lugar onde você o solicitou:
recovery-button = Recuperar conta
recovery-warning = Não compartilhe esta mensagem com ninguém. Se você não a solicitou, talvez outra pessoa esteja tentando acessar sua conta; você pode ignorar esta mensagem.

bundle-expiry = Expira em { $lifetime }.

sms = { $app }: seu código é { $code }
sms-unnamed = Seu código é { $code }
sms-full = { sms }. Expira em { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Expira em { $lifetime }.

minutes = { $number ->
    [one] { $number } minuto
   *[other] { $number } minutos
    }
hours = { $number ->
    [one] { $number } hora
   *[other] { $number } horas
    }
days = { $number ->
    [one] { $number } dia
   *[other] { $number } dias
    }
