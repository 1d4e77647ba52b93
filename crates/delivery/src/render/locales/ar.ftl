# Arabic

code-subject = رمز { $app } الخاص بك هو { $code }
code-subject-unnamed = رمزك هو { $code }
code-heading = رمز { $app } الخاص بك
code-heading-unnamed = رمزك
code-text = رمز { $app } الخاص بك هو { $code }
code-text-unnamed = رمزك هو { $code }
code-expiry = يُستخدم مرة واحدة وتنتهي صلاحيته خلال { $lifetime }.
code-link = أو افتح هذا الرابط لتسجيل الدخول:
code-button = تسجيل الدخول
code-warning = لا تشارك هذا الرمز مع أي شخص. إذا لم تطلبه، يمكنك تجاهل هذه الرسالة.

login-subject = تسجيل الدخول إلى { $app }
login-subject-unnamed = تسجيل الدخول
login-link = لتسجيل الدخول، افتح هذا الرابط على الجهاز الذي طلبته منه:
login-copy = لتسجيل الدخول، انسخ هذا النص إلى المكان الذي طلبته منه:
login-button = تسجيل الدخول
login-warning = لا تشارك هذه الرسالة مع أي شخص. إذا لم تطلبها، يمكنك تجاهلها.

recovery-subject = استعادة حسابك في { $app }
recovery-subject-unnamed = استعادة حسابك
recovery-link = لاستعادة حسابك، افتح هذا الرابط على الجهاز الذي طلبته منه:
recovery-copy = لاستعادة حسابك، انسخ هذا النص إلى المكان الذي طلبته منه:
recovery-button = استعادة الحساب
recovery-warning = لا تشارك هذه الرسالة مع أي شخص. إذا لم تطلبها، فقد يكون شخص آخر يحاول الدخول إلى حسابك؛ يمكنك تجاهل هذه الرسالة.

bundle-expiry = تنتهي الصلاحية خلال { $lifetime }.

sms = رمز { $app }: { $code }
sms-unnamed = رمزك: { $code }
sms-full = { sms }. صالح لمدة { $lifetime }.
sms-full-unnamed = { sms-unnamed }. صالح لمدة { $lifetime }.

minutes = { $number ->
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] { $number } دقائق
   *[other] { $number } دقيقة
    }
hours = { $number ->
    [one] ساعة واحدة
    [two] ساعتين
    [few] { $number } ساعات
   *[other] { $number } ساعة
    }
days = { $number ->
    [one] يوم واحد
    [two] يومين
    [few] { $number } أيام
    [many] { $number } يومًا
   *[other] { $number } يوم
    }
